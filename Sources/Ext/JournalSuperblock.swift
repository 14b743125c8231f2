import Bytes

/// The first block of a journal (Documentation/filesystems/ext4/journal.rst); all numbers big-endian.
struct JournalSuperblock: Hashable, Sendable {
  /// Its size in bytes.
  static let byteCount = 1024

  /// Offsets of the fields in bytes.
  enum Field {
    static let blockSize = 0xc
    static let blockCount = 0x10
    static let first = 0x14
    static let sequence = 0x18
    static let start = 0x1c
    static let error = 0x20
    static let compatible = 0x24
    static let incompatible = 0x28
    static let readOnlyCompatible = 0x2c
    static let uuid = 0x30
    static let checksumType = 0x50
    static let fastCommitBlocks = 0x54
    static let checksum = 0xfc
  }

  /// Features of the compatible kind.
  struct Compatible: OptionSet, Hashable, Sendable {
    let rawValue: UInt32
    /// Commits bear a CRC-32 of their transaction's blocks.
    static let checksums = Self(rawValue: 1)
  }

  /// Features of the incompatible kind.
  struct Incompatible: OptionSet, Hashable, Sendable {
    let rawValue: UInt32
    static let revoke = Self(rawValue: 0x1)
    static let wide = Self(rawValue: 0x2)
    static let asynchronousCommit = Self(rawValue: 0x4)
    static let checksumsV2 = Self(rawValue: 0x8)
    static let checksumsV3 = Self(rawValue: 0x10)
    static let fastCommit = Self(rawValue: 0x20)
    static let readable: Self = [.revoke, .wide, .asynchronousCommit, .checksumsV2, .checksumsV3, .fastCommit]

    /// Whether descriptors, their blocks and commits bear checksums of their own.
    var hasBlockChecksums: Bool { !isDisjoint(with: [.checksumsV2, .checksumsV3]) }
  }

  /// Size of a block in bytes, as the volume's.
  let blockSize: UInt32
  /// Blocks of the journal, this one included.
  let blockCount: UInt32
  /// The first block of the log.
  let first: UInt32
  /// Number of the first transaction in the log.
  let sequence: UInt32
  /// Block where the log starts; 0 for an empty one.
  let start: UInt32
  /// An error that the journal has recorded.
  let error: Int32
  /// Whether the block is of the first version, which has no features.
  let isFirstVersion: Bool
  /// The journal's identifier.
  let uuid: [UInt8]
  let compatible: Compatible
  let incompatible: Incompatible
  /// What the log's checksums start from (versions 2 and 3).
  let checksumSeed: UInt32
  /// The block behind the log's last; fast commits follow where there are any.
  let end: UInt32

  /// Least blocks that a log has beside fast commits.
  private static let leastLog: UInt32 = 1024
  /// Blocks for fast commits where the field is 0.
  private static let usualFastCommitBlocks: UInt32 = 256

  /// Parses a journal's first block.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(Self.byteCount, of: "journal's superblock")
    guard let header = JournalHeader(parsing: bytes), [.superblockV1, .superblockV2].contains(header.kind) else {
      throw LayoutError("there is no superblock")
    }
    blockSize = bytes.bigEndian(at: Field.blockSize)
    blockCount = bytes.bigEndian(at: Field.blockCount)
    first = bytes.bigEndian(at: Field.first)
    sequence = bytes.bigEndian(at: Field.sequence)
    start = bytes.bigEndian(at: Field.start)
    error = bytes.bigEndian(at: Field.error)
    isFirstVersion = header.kind == .superblockV1
    compatible = Compatible(rawValue: isFirstVersion ? 0 : bytes.bigEndian(at: Field.compatible))
    incompatible = Incompatible(rawValue: isFirstVersion ? 0 : bytes.bigEndian(at: Field.incompatible))
    if incompatible.hasBlockChecksums {
      let type: UInt8 = bytes.bigEndian(at: Field.checksumType)
      guard type == 4 else { throw LayoutError("the checksum type \(type) is not CRC-32C", at: Field.checksumType) }
      guard Self.checksum(of: bytes) == bytes.bigEndian(at: Field.checksum, as: UInt32.self) else {
        throw LayoutError("the superblock's checksum does not match its bytes", at: Field.checksum)
      }
    }
    uuid = bytes.slice(Field.uuid, 16).array
    var seed = CRC32C()
    seed.update(bytes.slice(Field.uuid, 16))
    checksumSeed = seed.register
    let stored: UInt32 = bytes.bigEndian(at: Field.fastCommitBlocks)
    let fast = stored == 0 ? Self.usualFastCommitBlocks : stored
    let hasFast = incompatible.contains(.fastCommit) && blockCount > fast && blockCount - fast >= Self.leastLog
    end = hasFast ? blockCount - fast : blockCount
    guard first >= 1, first < end, start == 0 || first..<end ~= start else {
      throw LayoutError("its log goes from block \(first) to \(end) and starts at \(start)", at: Field.first)
    }
  }

  /// The checksum of the block, its own field taken for zero (versions 2 and 3).
  static func checksum(of bytes: RawSpan) -> UInt32 {
    var crc = CRC32C()
    crc.update(bytes.slice(0, Field.checksum))
    crc.update(littleEndian: UInt32(0))
    crc.update(bytes.slice(Field.checksum + 4, byteCount - Field.checksum - 4))
    return crc.register
  }
}

/// What every block of a log's own structures starts with.
struct JournalHeader: Hashable, Sendable {
  static let magic: UInt32 = 0xc03b_3998
  static let byteCount = 12

  /// What a block is.
  enum Kind: UInt32 {
    case descriptor = 1
    case commit, superblockV1, superblockV2, revoke
  }

  /// Nil for a kind that is not known.
  let kind: Kind?
  /// Number of the transaction.
  let sequence: UInt32

  /// Parses a block's beginning, 12 bytes at least; nil where the magic number is missing.
  init?(parsing bytes: RawSpan) {
    guard bytes.bigEndian(at: 0) == Self.magic else { return nil }
    kind = Kind(rawValue: bytes.bigEndian(at: 4))
    sequence = bytes.bigEndian(at: 8)
  }
}
