import Bytes

/// The sector in which FAT32 keeps how many clusters are free (FSInfo).
struct InfoSector: Hashable, Sendable {
  /// Where the fields lie, in bytes.
  enum Offset {
    static let mark1 = 0
    static let mark2 = 484
    static let freeClusters = 488
    static let nextFree = 492
    static let mark3 = 508
  }
  static let size = 512

  /// Free clusters, as far as the last writer knew; nil for unknown.
  var freeClusters: UInt32?
  /// Where to look for a free cluster first; nil for unknown.
  var nextFree: UInt32?

  /// The fields of the sector; throws where its marks are missing.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(Self.size, of: "FSInfo sector")
    for (offset, mark) in Self.marks where bytes.littleEndian(at: offset, as: UInt32.self) != mark {
      throw LayoutError("the FSInfo sector's mark is missing", at: offset)
    }
    let free: UInt32 = bytes.littleEndian(at: Offset.freeClusters)
    let next: UInt32 = bytes.littleEndian(at: Offset.nextFree)
    freeClusters = free == .max ? nil : free
    nextFree = next == .max ? nil : next
  }

  /// The values that mark the sector, and where: `RRaA`, `rrAa` and the end.
  private static let marks: [(Int, UInt32)] = [
    (Offset.mark1, 0x4161_5252), (Offset.mark2, 0x6141_7272), (Offset.mark3, 0xaa55_0000),
  ]

  /// Stores the counts into the sector's bytes.
  func store(into bytes: inout MutableRawSpan) {
    bytes.store(littleEndian: freeClusters ?? .max, at: Offset.freeClusters)
    bytes.store(littleEndian: nextFree ?? .max, at: Offset.nextFree)
  }
}
