import Bytes
import Filesystems

/// An inode: what stat(2) tells, the root of the map of its blocks, and extended attributes behind.
struct Inode {
  /// Offsets of the fields in bytes.
  enum Field {
    static let mode = 0x0
    static let ownerLow = 0x2
    static let sizeLow = 0x4
    static let accessed = 0x8
    static let changed = 0xc
    static let modified = 0x10
    static let deleted = 0x14
    static let groupLow = 0x18
    static let linkCount = 0x1a
    static let sectorsLow = 0x1c
    static let flags = 0x20
    static let version = 0x24
    static let map = 0x28
    static let generation = 0x64
    static let attributeBlockLow = 0x68
    static let sizeHigh = 0x6c
    static let sectorsHigh = 0x74
    static let attributeBlockHigh = 0x76
    static let ownerHigh = 0x78
    static let groupHigh = 0x7a
    static let checksumLow = 0x7c
    static let extraSize = 0x80
    static let checksumHigh = 0x82
    static let changedExtra = 0x84
    static let modifiedExtra = 0x88
    static let accessedExtra = 0x8c
    static let created = 0x90
    static let createdExtra = 0x94
    static let project = 0x9c
  }

  /// Size of the part that every revision has, in bytes.
  static let oldByteCount = 128
  /// Size of the extra fields of a new inode, up to the project's number.
  static let usualExtraSize: UInt16 = 32
  /// Size of the map of blocks in bytes: 15 block numbers, an extent tree's root, or contents.
  static let mapByteCount = 60

  let number: UInt32
  /// The piece of the inode table that holds it, and its place there in bytes.
  let table: MetadataBlock
  let place: Int
  let byteCount: Int

  let mode: UInt16
  let size: UInt64
  let flags: InodeFlags
  let generation: UInt32
  /// The block with extended attributes; 0 for none.
  let attributeBlock: UInt64
  let linkCount: UInt16

  init(number: UInt32, in table: MetadataBlock, at place: Int, _ superblock: Superblock) {
    self.number = number
    self.table = table
    self.place = place
    byteCount = superblock.inodeSize
    let bytes = table.bytes.slice(place, byteCount)
    mode = bytes.littleEndian(at: Field.mode)
    flags = InodeFlags(rawValue: bytes.littleEndian(at: Field.flags))
    generation = bytes.littleEndian(at: Field.generation)
    linkCount = bytes.littleEndian(at: Field.linkCount)
    let isHurd = superblock.creatorOS == 1
    attributeBlock =
      UInt64(bytes.littleEndian(at: Field.attributeBlockLow, as: UInt32.self))
      | (isHurd ? 0 : UInt64(bytes.littleEndian(at: Field.attributeBlockHigh, as: UInt16.self)) << 32)
    // The upper half once was a directory's ACL.
    let isLong = mode & 0xf000 == 0x8000 || superblock.incompatible.contains(.largeDirectories)
    size =
      UInt64(bytes.littleEndian(at: Field.sizeLow, as: UInt32.self))
      | (isLong ? UInt64(bytes.littleEndian(at: Field.sizeHigh, as: UInt32.self)) << 32 : 0)
  }

  /// The inode's bytes.
  var bytes: RawSpan {
    @_lifetime(borrow self) get { table.bytes.slice(place, byteCount) }
  }

  /// The map of blocks.
  var map: RawSpan {
    @_lifetime(borrow self) get { table.bytes.slice(place + Field.map, Inode.mapByteCount) }
  }

  /// Where the inode lies in the volume, in bytes.
  var offset: UInt64 { table.offset + UInt64(place) }
  /// Where a field of the inode lies in the volume, in bytes.
  func offset(of field: Int) -> UInt64 { offset + UInt64(field) }

  var kind: FileKind? { FileKind(mode: mode) }

  /// How many bytes behind the first 128 hold fields; nil where the number is impossible.
  var extraByteCount: Int? {
    guard byteCount > Self.oldByteCount else { return 0 }
    let count = Int(bytes.littleEndian(at: Field.extraSize, as: UInt16.self))
    return count % 4 == 0 && count <= byteCount - Self.oldByteCount ? count : nil
  }

  /// Whether a field of `count` bytes at `field` lies in what the inode says it uses.
  func holds(_ field: Int, _ count: Int) -> Bool {
    Self.oldByteCount + (extraByteCount ?? 0) >= field + count
  }

  /// Whether the checksum is right; `seed` is the inode's own.
  func isIntact(seed: UInt32) -> Bool {
    let bytes = bytes
    var crc = CRC32C(register: seed)
    crc.update(bytes.slice(0, Field.checksumLow))
    crc.update(littleEndian: UInt16(0))
    crc.update(bytes.slice(Field.checksumLow + 2, Self.oldByteCount - Field.checksumLow - 2))
    var stored = UInt32(bytes.littleEndian(at: Field.checksumLow, as: UInt16.self))
    guard byteCount > Self.oldByteCount else { return stored == crc.register & 0xffff }
    let isWide = Int(bytes.littleEndian(at: Field.extraSize, as: UInt16.self)) >= 4
    var next = Self.oldByteCount
    if isWide {
      crc.update(bytes.slice(next, 2))
      crc.update(littleEndian: UInt16(0))
      next = Field.checksumHigh + 2
      stored |= UInt32(bytes.littleEndian(at: Field.checksumHigh, as: UInt16.self)) << 16
    }
    crc.update(bytes.slice(next, byteCount - next))
    return stored == (isWide ? crc.register : crc.register & 0xffff)
  }
}

/// Flags of an inode (`i_flags`).
struct InodeFlags: OptionSet, Hashable, Sendable {
  let rawValue: UInt32
  static let encrypted = Self(rawValue: 0x800)
  static let indexed = Self(rawValue: 0x1000)
  static let topDirectory = Self(rawValue: 0x20000)
  static let hugeFile = Self(rawValue: 0x40000)
  static let extents = Self(rawValue: 0x80000)
  static let verity = Self(rawValue: 0x10_0000)
  static let attributeValue = Self(rawValue: 0x20_0000)
  /// Blocks are taken past the end of the file; what older kernels set.
  static let blocksPastEnd = Self(rawValue: 0x40_0000)
  static let inlineData = Self(rawValue: 0x1000_0000)
  static let casefold = Self(rawValue: 0x4000_0000)

  /// Words for bits 0 and up.
  private static let bitWords: [String?] = [
    "secure-deletion", "undelete", "compressed", "synchronous", "immutable", "append-only", "no-dump", "no-atime", nil,
    nil, nil, "encrypted", "indexed", nil, "journaled-data", "no-tail-merging", "synchronous-directory",
    "top-directory", "huge-file", "extents", "verity", "attribute-value", nil, nil, nil, "dax", nil, nil,
    "inline-data", "project-hierarchy", "casefold",
  ]

  /// The flags as words.
  var words: [String] {
    Self.bitWords.indices.compactMap { rawValue & 1 << UInt32($0) != 0 ? Self.bitWords[$0] : nil }
  }
}
