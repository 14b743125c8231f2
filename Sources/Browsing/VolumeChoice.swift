package import BlockIO
import Bytes
package import Filesystems
package import Partitions

/// Which volume of a disk is looked into: the partition that was named, or the only one that can be read.
package struct VolumeChoice {
  /// The volume's bytes.
  package let source: any BlockSource
  /// The partition; nil where the whole disk is one volume.
  package let partition: Partition?
  /// The volume's name for messages: `disk.img:2`.
  package let name: String
  /// Its driver.
  package let type: FilesystemType

  /// Chooses partition `number` of `disk`, or the only volume that a driver knows.
  ///
  /// Throws `VolumeUndecided` with a list of the partitions where there is no telling, and `ImageError` where the
  /// partition holds nothing that can be read.
  package init(
    on disk: any BlockSource, named name: String, number: Int? = nil, sectorSizeHint: Int? = nil,
    types: [FilesystemType] = FilesystemType.all
  ) throws {
    guard let table = try PartitionTable.read(from: disk, sectorSizeHint: sectorSizeHint) else {
      if let number {
        throw VolumeUndecided("\(name) has no partition table, and so no partition \(number); leave the number out")
      }
      self.name = name
      partition = nil
      source = disk
      type = try Self.driver(for: disk, named: name, types)
      return
    }
    if let number {
      guard let partition = table.partition(number) else {
        throw VolumeUndecided(
          "\(name) has no partition \(number). It has:\n" + Self.list(table, on: disk).joined(separator: "\n"))
      }
      let source = try partition.window(on: disk)
      self.name = "\(name):\(number)"
      self.partition = partition
      self.source = source
      type = try Self.driver(for: source, named: self.name, types)
      return
    }
    var found: [(partition: Partition, source: any BlockSource, type: FilesystemType)] = []
    for partition in table.partitions where !partition.type.isExtended && partition.end <= disk.byteCount {
      let source = try partition.window(on: disk)
      if let type = try FilesystemType.find(for: source, among: types) { found.append((partition, source, type)) }
    }
    guard let only = found.first, found.count == 1 else {
      throw Self.undecided(table, on: disk, named: name, readable: found.map(\.partition.number))
    }
    (partition, source, type) = (only.partition, only.source, only.type)
    self.name = "\(name):\(only.partition.number)"
  }

  /// Opens the volume; errors are given its name.
  package func open() throws -> any Filesystem {
    do { return try type.open(source) } catch var error as ImageError {
      if error.file == nil { error.file = name }
      throw error
    }
  }

  private static func driver(
    for volume: any BlockSource, named name: String, _ types: [FilesystemType]
  ) throws -> FilesystemType {
    if let type = try FilesystemType.find(for: volume, among: types) { return type }
    let signature = try FilesystemSignature.probe(volume)
    let what = signature.map { "there is no driver for \($0.type) here" } ?? "no filesystem was found"
    throw ImageError(.unsupported, format: "volume", file: name, "\(what); what can be read is \(names(of: types))")
  }

  private static func names(of types: [FilesystemType]) -> String { types.map(\.name).joined(separator: ", ") }

  private static func undecided(
    _ table: PartitionTable, on disk: any BlockSource, named name: String, readable: [Int]
  ) -> VolumeUndecided {
    let lines = list(table, on: disk).joined(separator: "\n")
    guard let example = readable.first else {
      return VolumeUndecided("\(name): no partition holds a filesystem that can be read here. It has:\n\(lines)")
    }
    return VolumeUndecided("\(name) has several filesystems: name one, such as \(name):\(example). It has:\n\(lines)")
  }

  /// The partitions with number, size, type, and what is in them, a line for each, 64 at most.
  package static func list(_ table: PartitionTable, on disk: any BlockSource) -> [String] {
    let most = 64
    var lines = table.partitions.prefix(most).map { partition in
      let label = partition.label.flatMap { $0.isEmpty ? nil : " \"\($0)\"" } ?? ""
      let found = (try? table.signature(of: partition, on: disk)) ?? nil
      let holds = found.map { ": " + $0.type + ($0.label.map { " \"\($0)\"" } ?? "") } ?? ""
      return "  \(partition.number)  \(shortSize(partition.byteCount))  \(partition.type.name)\(label)\(holds)"
        .printable
    }
    if table.partitions.isEmpty { lines = ["  no partitions"] }
    if table.partitions.count > most { lines.append("  and \(table.partitions.count - most) more") }
    return lines
  }
}

/// A volume that was not named clearly enough, and what there is to choose from.
package struct VolumeUndecided: Error, Sendable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
