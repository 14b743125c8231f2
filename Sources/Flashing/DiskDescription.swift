import BlockIO
import Bytes
import Partitions
import SystemPackage

/// A disk in words: what it is, and what is on it.
struct DiskDescription {
  /// A line about the device, then one about each partition or the filesystem on it.
  let text: String
  /// The most partitions that are listed one by one.
  private static let maximumPartitions = 16

  /// Describes `device`, read by its node `path`; what cannot be read is left out.
  init(_ device: BlockDevice, path: FilePath) {
    var words = ["\(path):"]
    words += [device.model, device.serial.map { "serial \($0)" }].compactMap(\.self)
    words.append(shortSize(device.byteCount))
    if device.isRemovable { words.append("removable") }
    if device.isPartition { words.append("a partition of \(device.disk.node)") }
    let contents = (try? Self.contents(of: FileSource(path), sectorSize: device.sectorSize)) ?? []
    text = ([words.joined(separator: " ")] + contents.map { "  " + $0.printable }).joined(separator: "\n")
  }

  private static func contents(of disk: FileSource, sectorSize: Int?) throws -> [String] {
    guard let table = try PartitionTable.read(from: disk, sectorSizeHint: sectorSize) else {
      return [try FilesystemSignature.probe(disk).map(describe) ?? "no partition table and no filesystem known here"]
    }
    let partitions = table.partitions
    var lines = ["\(table.format) with \(partitions.count) partition\(partitions.count == 1 ? "" : "s")"]
    for partition in partitions.prefix(maximumPartitions) {
      let name = partition.label.flatMap { $0.isEmpty ? nil : " \"\($0)\"" } ?? ""
      let found = try? table.signature(of: partition, on: disk)
      let holds = found.map { ": " + describe($0) } ?? ""
      lines.append("\(partition.number)\(name) \(shortSize(partition.byteCount)) \(partition.type.name)\(holds)")
    }
    if partitions.count > maximumPartitions { lines.append("and \(partitions.count - maximumPartitions) more") }
    return lines
  }

  private static func describe(_ signature: FilesystemSignature) -> String {
    signature.type + (signature.label.map { " \"\($0)\"" } ?? "")
  }
}
