import Bytes

/// The first 512 bytes of a disk, or of a logical partition's link, as a table of four partitions.
struct MBRSector: Sendable {
  /// Size in bytes, whatever the disk's sector size.
  static let byteCount = 512

  /// One of the four slots.
  struct Entry: Sendable {
    let indicator: UInt8
    let type: UInt8
    /// First sector, counted from the disk's start, from this sector's or from the extended partition's.
    let start: UInt32
    /// Size in sectors.
    let count: UInt32

    /// Whether the slot describes a partition.
    var isUsed: Bool { type != 0 && count != 0 }
    /// Whether the slot describes a container or a link.
    var isExtended: Bool { PartitionType.mbr(type).isExtended && count != 0 }
    /// Whether the slot protects a GPT.
    var isProtective: Bool { type == 0xee }
  }

  /// The disk's signature, which its partitions' UUIDs start with.
  let identifier: UInt32
  let entries: [Entry]

  /// The table in `bytes`, or nil where the mark 55 AA is missing.
  init?(_ bytes: RawSpan) {
    guard bytes.byteCount >= Self.byteCount, bytes.littleEndian(at: 510, as: UInt16.self) == 0xaa55 else {
      return nil
    }
    identifier = bytes.littleEndian(at: 440)
    entries = (0..<4).map { slot in
      let offset = 446 + 16 * slot
      return Entry(
        indicator: bytes.littleEndian(at: offset), type: bytes.littleEndian(at: offset + 4),
        start: bytes.littleEndian(at: offset + 8), count: bytes.littleEndian(at: offset + 12))
    }
  }

  /// Whether every slot's first byte is one that a table may have: 0 or 0x80.
  var hasValidIndicators: Bool { entries.allSatisfy { $0.indicator == 0 || $0.indicator == 0x80 } }
  /// Whether a slot protects a GPT.
  var isProtective: Bool { entries.contains(where: \.isProtective) }
  /// Whether a slot protects a GPT and others describe partitions.
  var isHybrid: Bool { isProtective && entries.contains { $0.type != 0 && !$0.isProtective } }
}
