/// Something in a sound partition table that contradicts the disk or the rest of the table.
package struct TableFault: Error, Hashable, Sendable, CustomStringConvertible {
  /// The class of fault.
  package enum Kind: Sendable {
    /// The table describes a larger disk than this.
    case truncated
    /// A partition reaches past the end of the disk.
    case pastEnd
    /// Two partitions share sectors.
    case overlap
    /// An entry's range is none: its end lies before its start, or past any disk.
    case range
    /// The chain of logical partitions breaks off.
    case chain
  }

  /// The most faults that one table lists.
  static let maximum = 16

  package let kind: Kind
  /// The partition it is about, where it is about one.
  package let partition: Int?
  /// What is wrong, as a sentence without its full stop.
  package let description: String

  init(_ kind: Kind, _ partition: Int?, _ description: String) {
    self.kind = kind
    self.partition = partition
    self.description = description
  }
}

extension TableFault {
  /// The partitions that reach past the end of a disk of `diskByteCount` bytes.
  static func pastEnd(_ partitions: [Partition], diskByteCount: UInt64) -> [TableFault] {
    partitions.lazy.filter { $0.end > diskByteCount }.prefix(maximum).map { partition in
      TableFault(
        .pastEnd, partition.number,
        "partition \(partition.number) ends at byte \(partition.end), past the end of the disk at \(diskByteCount)")
    }
  }

  /// The pairs of partitions that share sectors; logical ones may lie in an extended one.
  static func overlaps(_ partitions: [Partition]) -> [TableFault] {
    overlapsAmong(partitions.filter { !$0.isLogical }) + overlapsAmong(partitions.filter(\.isLogical))
  }

  private static func overlapsAmong(_ partitions: [Partition]) -> [TableFault] {
    let sorted = partitions.sorted { ($0.start, $0.number) < ($1.start, $1.number) }
    guard var furthest = sorted.first else { return [] }
    var faults: [TableFault] = []
    for partition in sorted.dropFirst() where faults.count < maximum {
      if partition.start < furthest.end {
        faults.append(
          TableFault(
            .overlap, partition.number,
            "partitions \(furthest.number) and \(partition.number) share the bytes from \(partition.start) "
              + "to \(min(partition.end, furthest.end))"))
      }
      if partition.end > furthest.end { furthest = partition }
    }
    return faults
  }
}
