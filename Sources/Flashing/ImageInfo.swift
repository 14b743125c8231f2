import BlockIO
package import Bytes
import Images

/// What an image is and holds, without writing anything.
package struct ImageInfo {
  /// The facts, in the order to show them.
  package let record: Record
  /// What the user should know, each a sentence.
  package let notes: [String]

  /// Opens the image that `request` names and looks at it.
  package init(_ request: SourceRequest, withInternals: Bool) throws {
    let source = try OpenedSource(request, progress: JobProgress())
    var record: Record = ["image": .text(source.name), "format": .text(source.image.format)]
    for fact in source.image.facts.facts where fact.key != "format" { record.add(fact.key, fact.value) }
    var notes = source.notes + source.image.warnings
    if case .disk(let disk) = source.content {
      do {
        let listing = try PartitionListing(disk, name: source.name, regions: false)
        var table = Record()
        for fact in listing.record.facts where fact.key != "image" { table.add(fact.key, fact.value) }
        record.add("disk", .record(table))
      } catch let error as ImageError {
        // A damaged table is no reason to say nothing of the image that it is in.
        notes.append(error.description)
      }
    }
    if withInternals, !source.image.internals.facts.isEmpty { record.add("header", .record(source.image.internals)) }
    self.record = record
    self.notes = notes
  }
}
