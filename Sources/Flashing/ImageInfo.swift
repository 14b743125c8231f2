import BlockIO
package import Bytes
import Images
import Partitions

/// What an image is and holds, without writing anything.
package struct ImageInfo {
  /// The facts, in the order to show them.
  package let record: Record
  /// What the user should know, each a sentence.
  package let notes: [String]

  /// Opens the image that `request` names and looks at it.
  package init(_ request: SourceRequest, withInternals: Bool) throws {
    var notes: [String] = []
    let source = try OpenedSource(request, progress: JobProgress()) { notes.append($0) }
    notes += source.notes + source.image.warnings
    var record: Record = ["image": .text(source.name), "format": .text(source.image.format)]
    record.add("compression", source.codec.map { .text($0) })
    if source.codec != nil { record.add("compressed-size", source.storedSize.map { .size($0) }) }
    for fact in source.image.facts.facts where fact.key != "format" { record.add(fact.key, fact.value) }
    if let allocation = source.image.allocation { record.add("allocation", .record(try allocation())) }
    if case .stream(let stream) = source.content, let table = Self.table(atStartOf: stream) {
      record.add("disk", .record(table))
      notes.append(
        "the partitions are those that the first MiB tells of; -list-parts unpacks the image and looks at all")
    }
    if case .disk(let disk) = source.content {
      do {
        let listing = try PartitionListing(disk, name: source.name, regions: false, sectorSizeHint: source.sectorSize)
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

  /// The partition table of an image that is read front to back, from its first bytes; nil where there is none.
  private static func table(atStartOf stream: any ExtentStream) -> Record? {
    guard let start = try? PeekedStream(stream).start,
      let table = TableSource.start(start, byteCount: stream.byteCount).table(hint: 512)
    else { return nil }
    return table.briefFacts
  }
}
