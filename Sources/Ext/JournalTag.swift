import Bytes

/// What a descriptor block says of one block that follows it in the log.
struct JournalTag: Hashable, Sendable {
  /// The volume's block that it is to replace.
  let block: UInt64
  /// Whether the block began with the journal's magic number, for which zeroes stand in the log.
  let isEscaped: Bool
  /// The checksum (versions 2 and 3); of version 2 only 16 bits.
  let checksum: UInt32

  /// Size of the identifier that follows a descriptor's first tag, in bytes.
  static let identifierByteCount = 16

  /// Bits of a tag's flags.
  enum Flag {
    static let escaped: UInt32 = 1
    static let sameUUID: UInt32 = 2
    static let last: UInt32 = 8
  }

  /// Offsets of the fields in bytes; the second of each for version 3.
  enum Field {
    static let block = 0
    static let checksumV2 = 4
    static let flagsV2 = 6
    static let blockHighV2 = 8
    static let flagsV3 = 4
    static let blockHighV3 = 8
    static let checksumV3 = 12
  }

  /// Size of a tag in bytes, without the identifier that may follow.
  static func byteCount(_ features: JournalSuperblock.Incompatible) -> Int {
    if features.contains(.checksumsV3) { return 16 }
    return (features.contains(.checksumsV2) ? 10 : 8) + (features.contains(.wide) ? 4 : 0)
  }

  /// The tags in a descriptor block, in order.
  static func all(in bytes: RawSpan, _ features: JournalSuperblock.Incompatible) -> [JournalTag] {
    let size = byteCount(features)
    let end = bytes.byteCount - (features.hasBlockChecksums ? 4 : 0)
    var result: [JournalTag] = []
    var place = JournalHeader.byteCount
    while place + size <= end {
      let isV3 = features.contains(.checksumsV3)
      let flags =
        isV3
        ? bytes.bigEndian(at: place + Field.flagsV3, as: UInt32.self)
        : UInt32(bytes.bigEndian(at: place + Field.flagsV2, as: UInt16.self))
      var block = UInt64(bytes.bigEndian(at: place + Field.block, as: UInt32.self))
      if features.contains(.wide) {
        let high: UInt32 = bytes.bigEndian(at: place + (isV3 ? Field.blockHighV3 : Field.blockHighV2))
        block |= UInt64(high) << 32
      }
      let checksum =
        isV3
        ? bytes.bigEndian(at: place + Field.checksumV3, as: UInt32.self)
        : UInt32(bytes.bigEndian(at: place + Field.checksumV2, as: UInt16.self))
      result.append(JournalTag(block: block, isEscaped: flags & Flag.escaped != 0, checksum: checksum))
      if flags & Flag.last != 0 { break }
      place += size + (flags & Flag.sameUUID == 0 ? identifierByteCount : 0)
    }
    return result
  }
}

/// The blocks that a revoke block takes back.
enum JournalRevokes {
  private static let countOffset = 12
  private static let entriesOffset = 16

  /// The block numbers in a revoke block.
  static func all(in bytes: RawSpan, _ features: JournalSuperblock.Incompatible) throws(LayoutError) -> [UInt64] {
    let used = Int(bytes.bigEndian(at: countOffset, as: UInt32.self))
    guard used <= bytes.byteCount - (features.hasBlockChecksums ? 4 : 0) else {
      throw LayoutError("a revoke block says to use \(used) bytes", at: countOffset)
    }
    let size = features.contains(.wide) ? 8 : 4
    var result: [UInt64] = []
    var place = entriesOffset
    while place + size <= used {
      result.append(size == 8 ? bytes.bigEndian(at: place) : UInt64(bytes.bigEndian(at: place, as: UInt32.self)))
      place += size
    }
    return result
  }
}

/// A commit block's time and checksums.
struct JournalCommit: Hashable, Sendable {
  /// Offsets of the fields in bytes.
  enum Field {
    static let checksumType = 12
    static let checksumSize = 13
    static let checksum = 16
    static let seconds = 48
    static let nanoseconds = 56
  }

  let checksumType: UInt8
  let checksumSize: UInt8
  let checksum: UInt32
  let seconds: UInt64

  init(parsing bytes: RawSpan) {
    checksumType = bytes.bigEndian(at: Field.checksumType)
    checksumSize = bytes.bigEndian(at: Field.checksumSize)
    checksum = bytes.bigEndian(at: Field.checksum)
    seconds = bytes.bigEndian(at: Field.seconds)
  }

  /// Whether the block's own checksum (versions 2 and 3) is right.
  static func isIntact(_ bytes: RawSpan, seed: UInt32) -> Bool {
    var crc = CRC32C(register: seed)
    crc.update(bytes.slice(0, Field.checksum))
    crc.update(littleEndian: UInt32(0))
    crc.update(bytes.slice(Field.checksum + 4, bytes.byteCount - Field.checksum - 4))
    return crc.register == bytes.bigEndian(at: Field.checksum, as: UInt32.self)
  }

  /// Whether the checksum in the last four bytes of a descriptor or revoke block (versions 2 and 3) is right.
  static func isTailIntact(_ bytes: RawSpan, seed: UInt32) -> Bool {
    let tail = bytes.byteCount - 4
    var crc = CRC32C(register: seed)
    crc.update(bytes.slice(0, tail))
    crc.update(littleEndian: UInt32(0))
    return crc.register == bytes.bigEndian(at: tail, as: UInt32.self)
  }
}

/// CRC-32 with the highest bit first, all ones at first and no final inversion: what commits bear before version 2.
struct ForwardCRC32: Sendable {
  private(set) var value: UInt32 = ~0

  private static let table: [UInt32] = (0..<256).map { byte in
    var word = UInt32(byte) << 24
    for _ in 0..<8 { word = word & 0x8000_0000 == 0 ? word << 1 : word << 1 ^ 0x04c1_1db7 }
    return word
  }

  mutating func update(_ bytes: RawSpan) {
    var crc = value
    let table = Self.table
    for index in 0..<bytes.byteCount {
      crc = crc << 8 ^ table[Int(crc >> 24 ^ UInt32(bytes.littleEndian(at: index, as: UInt8.self)))]
    }
    value = crc
  }
}
