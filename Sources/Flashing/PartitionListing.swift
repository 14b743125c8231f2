package import BlockIO
package import Bytes
import Partitions

/// The partitions of a disk, or the filesystem of one without a table.
package struct PartitionListing: Sendable {
  /// For programs.
  package let record: Record
  /// For people: the facts above the table, its header and its rows.
  package let heading: [String]
  package let header: [String]
  package let rows: [[String]]
  /// What the user should know, each a sentence.
  package let notes: [String]

  /// Looks at `disk`; `regions` lists boot area, partitions, gaps and table sectors instead of partitions alone.
  package init(_ disk: any BlockSource, name: String, regions: Bool, sectorSizeHint: Int? = nil) throws {
    guard let table = try PartitionTable.read(from: disk, sectorSizeHint: sectorSizeHint) else {
      let signature = try FilesystemSignature.probe(disk)
      var record: Record = ["image": .text(name), "table": .none]
      record.add("filesystem", signature.map { .record($0.facts) })
      self.record = record
      heading = [Self.sentence(name, signature)]
      (header, rows, notes) = ([], [], [])
      return
    }
    var record: Record = ["image": .text(name)]
    for fact in try table.facts(on: disk).facts { record.add(fact.key, fact.value) }
    if regions { record.add("regions", table.regionFacts) }
    self.record = record
    let kind = table.scheme == .gpt ? table.isHybrid ? "hybrid GPT" : "GPT" : "MBR"
    heading = [
      "\(name): \(kind) \(table.identifier), sectors of \(table.sectorSize) bytes, disk of \(describeSize(disk.byteCount))"
    ]
    if regions {
      header = ["Region", "Start", "Size"]
      rows = table.regions.map { [$0.name, String($0.start), String($0.byteCount)] }
    } else {
      header = PartitionTable.columns
      rows = try table.rows(on: disk)
    }
    notes = table.warnings + table.faults.map(\.description)
  }

  private static func sentence(_ name: String, _ signature: FilesystemSignature?) -> String {
    guard let signature else { return "\(name): no partition table and no filesystem known here" }
    var text = "\(name): no partition table; the whole disk is \(signature.type)"
    if let label = signature.label { text += ", label \(label.printable)" }
    if let uuid = signature.uuid { text += ", UUID \(uuid)" }
    return text
  }
}
