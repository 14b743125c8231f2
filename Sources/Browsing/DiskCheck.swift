package import BlockIO
import Bytes
package import Filesystems
import Partitions

/// A quick check of a disk: its partition table and every volume that there is a driver for.
package struct DiskCheck: Sendable {
  /// What was found in one volume.
  package struct Volume: Sendable {
    /// The partition's number; nil where the whole disk is one volume.
    package let number: Int?
    /// The filesystem's type as blkid(8) says it; nil where none was found.
    package let type: String?
    package let label: String?
    /// Nil where the volume was not looked at.
    package let report: CheckReport?
    /// Why it was not looked at.
    package let reason: String?
  }

  /// The kind of table; nil where there is none, or where it was not asked for.
  package private(set) var table: String?
  /// What was found in the table.
  package private(set) var tableReport = CheckReport()
  package private(set) var volumes: [Volume] = []
  /// Sentences about what could not be read at all.
  package private(set) var troubles: [String] = []

  /// The most volumes that are looked at.
  package static let volumeCount = 128

  /// Looks at `disk`, or only at its partition `number`; volumes whose turn comes after `limit` are left out.
  ///
  /// Damage is a finding; only what cannot be read is thrown (`IOError`), and `VolumeUndecided` where there is no such
  /// partition.
  package init(
    _ disk: any BlockSource, only number: Int? = nil, sectorSizeHint: Int? = nil, within limit: Duration? = nil,
    types: [FilesystemType] = FilesystemType.all
  ) throws {
    let start = ContinuousClock.now
    let found: PartitionTable?
    do { found = try PartitionTable.read(from: disk, sectorSizeHint: sectorSizeHint) } catch let error as ImageError {
      table = error.format
      tableReport.add(.damage, error.description)
      tableReport.unchecked = ["the partitions"]
      return
    }
    guard let found else {
      if let number { throw VolumeUndecided("there is no partition table, and so no partition \(number)") }
      volumes = [try Self.check(disk, number: nil, types)]
      return
    }
    if let number, found.partition(number) == nil { throw VolumeUndecided("there is no partition \(number)") }
    if number == nil { lookAtTable(found) }
    for partition in found.partitions where number.map({ $0 == partition.number }) ?? !partition.type.isExtended {
      let isLate = limit.map { start.duration(to: .now) > $0 } ?? false
      volumes.append(try Self.check(partition, on: disk, isLate: isLate || volumes.count >= Self.volumeCount, types))
    }
  }

  private mutating func lookAtTable(_ found: PartitionTable) {
    table = found.format
    tableReport.checked = [found.scheme == .gpt ? "GPT and its backup" : "MBR"]
    for warning in found.warnings {
      tableReport.add(found.hasAllCopies ? .notice : .damage, "\(found.format): \(warning)")
    }
    for fault in found.faults { tableReport.add(.damage, "\(found.format): \(fault)") }
  }

  private static func check(
    _ partition: Partition, on disk: any BlockSource, isLate: Bool, _ types: [FilesystemType]
  ) throws -> Volume {
    let number = partition.number
    func leftOut(_ reason: String) -> Volume {
      Volume(number: number, type: nil, label: partition.label, report: nil, reason: reason)
    }
    if isLate { return leftOut("the check had taken long enough") }
    if partition.type.isExtended { return leftOut("an extended partition") }
    guard partition.end <= disk.byteCount else { return leftOut("reaches past the end of the disk") }
    return try check(try partition.window(on: disk), number: number, types)
  }

  private static func check(_ source: any BlockSource, number: Int?, _ types: [FilesystemType]) throws -> Volume {
    let signature = try FilesystemSignature.probe(source)
    func volume(_ report: CheckReport?, type: String? = nil, label: String? = nil, _ reason: String?) -> Volume {
      Volume(
        number: number, type: type ?? signature?.type, label: label ?? signature?.label, report: report, reason: reason)
    }
    guard let type = try FilesystemType.find(for: source, among: types) else {
      return volume(nil, signature == nil ? "no filesystem known here" : "no driver")
    }
    do {
      let filesystem = try type.open(source)
      var report = try filesystem.quickCheck()
      for warning in filesystem.warnings where !report.findings.contains(where: { $0.sentence == warning }) {
        report.add(.notice, warning)
      }
      return volume(report, type: filesystem.type, label: filesystem.identity.label, nil)
    } catch let error as ImageError {
      guard error.kind == .damaged else { return volume(nil, error.detail) }
      var report = CheckReport()
      report.add(.damage, error.description)
      return volume(report, nil)
    }
  }

  /// Whether nothing damaged was found.
  package var isSound: Bool { tableReport.isSound && volumes.allSatisfy { $0.report?.isSound ?? true } }

  /// Whether there is anything to tell: a table, or a volume whose type is known.
  package var isTelling: Bool { table != nil || volumes.contains { $0.report != nil || $0.type != nil } }
}
