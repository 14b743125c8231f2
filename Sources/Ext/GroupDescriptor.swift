import Bytes

/// A block group's descriptor: 32 bytes, or 64 and more with the feature 64bit.
struct GroupDescriptor: Hashable, Sendable {
  /// Offsets of the fields in bytes.
  enum Field {
    static let blockBitmapLow = 0x0
    static let inodeBitmapLow = 0x4
    static let inodeTableLow = 0x8
    static let freeBlocksLow = 0xc
    static let freeInodesLow = 0xe
    static let directoriesLow = 0x10
    static let flags = 0x12
    static let blockBitmapChecksumLow = 0x18
    static let inodeBitmapChecksumLow = 0x1a
    static let unusedInodesLow = 0x1c
    static let checksum = 0x1e
    static let blockBitmapHigh = 0x20
    static let inodeBitmapHigh = 0x24
    static let inodeTableHigh = 0x28
    static let freeBlocksHigh = 0x2c
    static let freeInodesHigh = 0x2e
    static let directoriesHigh = 0x30
    static let unusedInodesHigh = 0x32
    static let blockBitmapChecksumHigh = 0x38
    static let inodeBitmapChecksumHigh = 0x3a
  }

  /// Bits of `bg_flags`.
  struct Flags: OptionSet, Hashable, Sendable {
    let rawValue: UInt16
    /// The inode table and bitmap were never written: all inodes are free.
    static let inodesUninitialised = Self(rawValue: 1)
    /// The block bitmap was never written: only the group's own metadata is in use.
    static let blocksUninitialised = Self(rawValue: 2)
  }

  let blockBitmap: UInt64
  let inodeBitmap: UInt64
  let inodeTable: UInt64
  let freeClusters: UInt32
  let freeInodes: UInt32
  let flags: Flags
  /// Inodes at the table's end that were never used.
  let unusedInodes: UInt32
  let blockBitmapChecksum: UInt32
  let inodeBitmapChecksum: UInt32
  /// Directories among the group's inodes.
  let directoryCount: UInt32

  /// Parses a descriptor of as many bytes as `bytes` has, 32 at least.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(32, of: "group descriptor")
    let isWide = bytes.byteCount >= 64
    func block(_ low: Int, _ high: Int) -> UInt64 {
      UInt64(bytes.littleEndian(at: low, as: UInt32.self))
        | (isWide ? UInt64(bytes.littleEndian(at: high, as: UInt32.self)) << 32 : 0)
    }
    func count(_ low: Int, _ high: Int) -> UInt32 {
      UInt32(bytes.littleEndian(at: low, as: UInt16.self))
        | (isWide ? UInt32(bytes.littleEndian(at: high, as: UInt16.self)) << 16 : 0)
    }
    blockBitmap = block(Field.blockBitmapLow, Field.blockBitmapHigh)
    inodeBitmap = block(Field.inodeBitmapLow, Field.inodeBitmapHigh)
    inodeTable = block(Field.inodeTableLow, Field.inodeTableHigh)
    freeClusters = count(Field.freeBlocksLow, Field.freeBlocksHigh)
    freeInodes = count(Field.freeInodesLow, Field.freeInodesHigh)
    flags = Flags(rawValue: bytes.littleEndian(at: Field.flags))
    unusedInodes = count(Field.unusedInodesLow, Field.unusedInodesHigh)
    blockBitmapChecksum = count(Field.blockBitmapChecksumLow, Field.blockBitmapChecksumHigh)
    inodeBitmapChecksum = count(Field.inodeBitmapChecksumLow, Field.inodeBitmapChecksumHigh)
    directoryCount = count(Field.directoriesLow, Field.directoriesHigh)
  }

  /// The checksum of a descriptor's bytes as its `bg_checksum` should have it; nil where the volume keeps none.
  static func checksum(of bytes: RawSpan, group: UInt64, _ superblock: Superblock) -> UInt16? {
    let number = UInt32(truncatingIfNeeded: group)
    let rest = bytes.byteCount > 32 ? bytes.slice(32, bytes.byteCount - 32) : bytes.slice(0, 0)
    if superblock.hasMetadataChecksums {
      var crc = CRC32C(register: superblock.checksumSeed)
      crc.update(littleEndian: number)
      crc.update(bytes.slice(0, Field.checksum))
      crc.update(littleEndian: UInt16(0))
      crc.update(rest)
      return UInt16(truncatingIfNeeded: crc.register)
    }
    guard superblock.hasGroupChecksums else { return nil }
    var crc = CRC16()
    for byte in superblock.uuid { crc.update(byte) }
    for shift in [UInt32(0), 8, 16, 24] { crc.update(UInt8(truncatingIfNeeded: number >> shift)) }
    crc.update(bytes.slice(0, Field.checksum))
    crc.update(rest)
    return crc.value
  }
}

/// CRC-16 (polynomial 0x8005 reflected, all ones at first), which group descriptors bear with the feature uninit_bg.
struct CRC16 {
  private(set) var value: UInt16 = 0xffff

  private static let table: [UInt16] = (0..<256).map { byte in
    var word = UInt16(byte)
    for _ in 0..<8 { word = word & 1 == 0 ? word >> 1 : word >> 1 ^ 0xa001 }
    return word
  }

  mutating func update(_ byte: UInt8) { value = value >> 8 ^ Self.table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }

  mutating func update(_ bytes: RawSpan) {
    for index in 0..<bytes.byteCount { update(bytes.littleEndian(at: index, as: UInt8.self)) }
  }
}
