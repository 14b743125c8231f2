import Bytes

/// The superblock, 1024 bytes into the volume (Documentation/filesystems/ext4/super.rst); all numbers little-endian.
struct Superblock: Hashable, Sendable {
  /// Where it lies in the volume, in bytes.
  static let offset: UInt64 = 1024
  /// Its size in bytes.
  static let byteCount = 1024
  static let magic: UInt16 = 0xef53

  /// Offsets of the fields in bytes.
  enum Field {
    static let inodeCount = 0x0
    static let blockCountLow = 0x4
    static let freeBlockCountLow = 0xc
    static let freeInodeCount = 0x10
    static let firstDataBlock = 0x14
    static let logBlockSize = 0x18
    static let logClusterSize = 0x1c
    static let blocksPerGroup = 0x20
    static let clustersPerGroup = 0x24
    static let inodesPerGroup = 0x28
    static let mountTime = 0x2c
    static let writeTime = 0x30
    static let magic = 0x38
    static let state = 0x3a
    static let creatorOS = 0x48
    static let revision = 0x4c
    static let firstInode = 0x54
    static let inodeSize = 0x58
    static let blockGroup = 0x5a
    static let compatible = 0x5c
    static let incompatible = 0x60
    static let readOnlyCompatible = 0x64
    static let uuid = 0x68
    static let label = 0x78
    static let reservedDescriptorBlocks = 0xce
    static let journalUUID = 0xd0
    static let journalInode = 0xe0
    static let journalDevice = 0xe4
    static let lastOrphan = 0xe8
    static let hashSeed = 0xec
    static let defaultHash = 0xfc
    static let descriptorSize = 0xfe
    static let firstMetaGroup = 0x104
    static let blockCountHigh = 0x150
    static let freeBlockCountHigh = 0x158
    static let flags = 0x160
    static let protectionBlock = 0x168
    static let checksumType = 0x175
    static let errorCount = 0x194
    static let lastErrorTime = 0x1cc
    static let lastErrorFunction = 0x1e0
    static let userQuotaInode = 0x240
    static let groupQuotaInode = 0x244
    static let backupGroups = 0x24c
    static let projectQuotaInode = 0x26c
    static let checksumSeed = 0x270
    static let encodingFlags = 0x27e
    static let orphanFileInode = 0x280
    static let checksum = 0x3fc
  }

  /// Bits of `s_state`.
  struct State: OptionSet, Hashable, Sendable {
    let rawValue: UInt16
    static let cleanlyUnmounted = Self(rawValue: 1)
    static let hasErrors = Self(rawValue: 2)
  }

  let inodeCount: UInt32
  let blockCount: UInt64
  let freeBlockCount: UInt64
  let freeInodeCount: UInt32
  let firstDataBlock: UInt32
  /// Power of two of a block's size in bytes, 10 to 16.
  let blockBits: UInt32
  /// Power of two of a cluster's size in blocks; 0 without bigalloc.
  let clusterBits: UInt32
  let blocksPerGroup: UInt32
  let inodesPerGroup: UInt32
  let state: State
  let creatorOS: UInt32
  let revision: UInt32
  /// The first inode that is not reserved.
  let firstInode: UInt32
  /// Size of an inode in bytes.
  let inodeSize: Int
  let compatible: CompatibleFeatures
  let incompatible: IncompatibleFeatures
  let readOnly: ReadOnlyFeatures
  let uuid: [UInt8]
  let label: String
  let reservedDescriptorBlocks: UInt16
  let journalInode: UInt32
  let lastOrphan: UInt32
  /// The inodes of the quota files that there are (quota).
  let quotaInodes: [QuotaKind: UInt32]
  /// The file that lists orphans (orphan_file).
  let orphanFileInode: UInt32
  let hashSeed: [UInt32]
  /// The hash of new directory indexes.
  let defaultHash: UInt8
  /// Size of a group descriptor in bytes.
  let descriptorSize: Int
  let firstMetaGroup: UInt32
  let flags: UInt32
  /// The block against mounting twice; 0 for none.
  let protectionBlock: UInt64
  let errorCount: UInt32
  let lastErrorFunction: String
  /// The two groups with copies of the superblock (sparse_super2).
  let backupGroups: [UInt32]
  /// What every checksum starts from.
  let checksumSeed: UInt32

  /// Size of a block in bytes.
  var blockSize: Int { 1 << Int(blockBits) }
  /// Blocks in a cluster.
  var blocksPerCluster: UInt64 { 1 << UInt64(clusterBits) }
  var hasMetadataChecksums: Bool { readOnly.contains(.metadataChecksums) }
  /// Whether group descriptors bear checksums and the flags of groups that were never written.
  var hasGroupChecksums: Bool { hasMetadataChecksums || readOnly.contains(.groupChecksums) }

  /// How many block groups there are.
  var groupCount: UInt64 {
    (blockCount - UInt64(firstDataBlock) + UInt64(blocksPerGroup) - 1) / UInt64(blocksPerGroup)
  }

  /// Whether the bytes bear the magic number and sane sizes, checksums aside.
  static func isPlausible(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= byteCount && bytes.littleEndian(at: Field.magic) == magic
      && bytes.littleEndian(at: Field.logBlockSize, as: UInt32.self) <= 6
      && bytes.littleEndian(at: Field.blocksPerGroup, as: UInt32.self) > 0
      && bytes.littleEndian(at: Field.inodesPerGroup, as: UInt32.self) > 0
  }

  /// Parses a superblock or a copy of it.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try Self.verify(bytes)
    compatible = CompatibleFeatures(rawValue: bytes.littleEndian(at: Field.compatible))
    incompatible = IncompatibleFeatures(rawValue: bytes.littleEndian(at: Field.incompatible))
    readOnly = ReadOnlyFeatures(rawValue: bytes.littleEndian(at: Field.readOnlyCompatible))
    inodeCount = bytes.littleEndian(at: Field.inodeCount)
    let isWide = incompatible.contains(.wide)
    func wide(_ low: Int, _ high: Int) -> UInt64 {
      UInt64(bytes.littleEndian(at: low, as: UInt32.self))
        | (isWide ? UInt64(bytes.littleEndian(at: high, as: UInt32.self)) << 32 : 0)
    }
    blockCount = wide(Field.blockCountLow, Field.blockCountHigh)
    freeBlockCount = wide(Field.freeBlockCountLow, Field.freeBlockCountHigh)
    freeInodeCount = bytes.littleEndian(at: Field.freeInodeCount)
    firstDataBlock = bytes.littleEndian(at: Field.firstDataBlock)
    blockBits = try Self.blockBits(bytes)
    blocksPerGroup = bytes.littleEndian(at: Field.blocksPerGroup)
    inodesPerGroup = bytes.littleEndian(at: Field.inodesPerGroup)
    clusterBits = try Self.clusterBits(bytes, readOnly, blockBits - 10)
    state = State(rawValue: bytes.littleEndian(at: Field.state))
    creatorOS = bytes.littleEndian(at: Field.creatorOS)
    revision = bytes.littleEndian(at: Field.revision)
    firstInode = revision == 0 ? 11 : bytes.littleEndian(at: Field.firstInode)
    inodeSize = revision == 0 ? 128 : Int(bytes.littleEndian(at: Field.inodeSize, as: UInt16.self))
    uuid = bytes.slice(Field.uuid, 16).array
    label = bytes.slice(Field.label, 16).text
    reservedDescriptorBlocks = bytes.littleEndian(at: Field.reservedDescriptorBlocks)
    journalInode = bytes.littleEndian(at: Field.journalInode)
    lastOrphan = bytes.littleEndian(at: Field.lastOrphan)
    var quotaInodes: [QuotaKind: UInt32] = [:]
    for kind in QuotaKind.allCases where readOnly.contains(.quota) {
      let number: UInt32 = bytes.littleEndian(at: kind.field)
      if number != 0 { quotaInodes[kind] = number }
    }
    self.quotaInodes = quotaInodes
    orphanFileInode = bytes.littleEndian(at: Field.orphanFileInode)
    hashSeed = [0, 4, 8, 12].map { bytes.littleEndian(at: Field.hashSeed + $0) }
    defaultHash = bytes.littleEndian(at: Field.defaultHash)
    descriptorSize = isWide ? Int(bytes.littleEndian(at: Field.descriptorSize, as: UInt16.self)) : 32
    firstMetaGroup = bytes.littleEndian(at: Field.firstMetaGroup)
    flags = bytes.littleEndian(at: Field.flags)
    protectionBlock = bytes.littleEndian(at: Field.protectionBlock)
    errorCount = bytes.littleEndian(at: Field.errorCount)
    lastErrorFunction = bytes.slice(Field.lastErrorFunction, 32).text
    backupGroups = [0, 4].map { bytes.littleEndian(at: Field.backupGroups + $0) }
    checksumSeed = Self.checksumSeed(bytes, incompatible)
    try checkGeometry()
  }

  /// Compares the magic number, and the checksum at the end (metadata_csum) with the bytes before it.
  private static func verify(_ bytes: RawSpan) throws(LayoutError) {
    try bytes.require(Self.byteCount, of: "superblock")
    guard bytes.littleEndian(at: Field.magic, as: UInt16.self) == magic else {
      throw LayoutError("the superblock has no magic number", at: Field.magic)
    }
    let features = ReadOnlyFeatures(rawValue: bytes.littleEndian(at: Field.readOnlyCompatible))
    guard features.contains(.metadataChecksums) else { return }
    let type: UInt8 = bytes.littleEndian(at: Field.checksumType)
    guard type == 1 else {
      throw LayoutError("the superblock's checksum type \(type) is not CRC-32C", at: Field.checksumType)
    }
    var crc = CRC32C()
    crc.update(bytes.slice(0, Field.checksum))
    guard crc.register == bytes.littleEndian(at: Field.checksum, as: UInt32.self) else {
      throw LayoutError("the superblock's checksum does not match its bytes", at: Field.checksum)
    }
  }

  /// What checksums start from: a number of its own (metadata_csum_seed), or the identifier's checksum.
  private static func checksumSeed(_ bytes: RawSpan, _ features: IncompatibleFeatures) -> UInt32 {
    if features.contains(.checksumSeed) { return bytes.littleEndian(at: Field.checksumSeed) }
    var crc = CRC32C()
    crc.update(bytes.slice(Field.uuid, 16))
    return crc.register
  }

  private static func blockBits(_ bytes: RawSpan) throws(LayoutError) -> UInt32 {
    let log: UInt32 = bytes.littleEndian(at: Field.logBlockSize)
    guard log <= 6 else {
      throw LayoutError("the block size 2^(10 + \(log)) is more than 64 KiB", at: Field.logBlockSize)
    }
    return 10 + log
  }

  private static func clusterBits(
    _ bytes: RawSpan, _ features: ReadOnlyFeatures, _ logBlockSize: UInt32
  ) throws(LayoutError) -> UInt32 {
    guard features.contains(.bigAllocation) else { return 0 }
    let logClusterSize: UInt32 = bytes.littleEndian(at: Field.logClusterSize)
    guard logBlockSize...20 ~= logClusterSize else {
      throw LayoutError("the cluster size 2^(10 + \(logClusterSize)) is not possible", at: Field.logClusterSize)
    }
    let bits = logClusterSize - logBlockSize
    let clusters: UInt32 = bytes.littleEndian(at: Field.clustersPerGroup)
    let blocks: UInt32 = bytes.littleEndian(at: Field.blocksPerGroup)
    guard UInt64(clusters) << UInt64(bits) == UInt64(blocks) else {
      throw LayoutError(
        "\(clusters) clusters and \(blocks) blocks in a group contradict each other", at: Field.clustersPerGroup)
    }
    return bits
  }

  /// Throws where sizes and counts contradict each other.
  private func checkGeometry() throws(LayoutError) {
    guard inodeSize >= 128, inodeSize <= blockSize, inodeSize.nonzeroBitCount == 1 else {
      throw LayoutError("an inode size of \(inodeSize) bytes is not possible", at: Field.inodeSize)
    }
    let isSaneDescriptor =
      !incompatible.contains(.wide) || 64...1024 ~= descriptorSize && descriptorSize.nonzeroBitCount == 1
    guard isSaneDescriptor else {
      throw LayoutError("a group descriptor size of \(descriptorSize) bytes is not possible", at: Field.descriptorSize)
    }
    guard firstDataBlock <= 1, UInt64(firstDataBlock) < blockCount, blockCount <= 1 << (62 - UInt64(blockBits)) else {
      throw LayoutError(
        "\(blockCount) blocks, the first of them \(firstDataBlock), are not possible", at: Field.blockCountLow)
    }
    guard blocksPerGroup > 0, UInt64(blocksPerGroup) >> UInt64(clusterBits) <= UInt64(blockSize) * 8,
      UInt64(blocksPerGroup) >> UInt64(clusterBits) % 8 == 0
    else {
      throw LayoutError("\(blocksPerGroup) blocks in a group are not possible", at: Field.blocksPerGroup)
    }
    guard inodesPerGroup > 0, Int(inodesPerGroup) <= blockSize * 8, inodesPerGroup % 8 == 0 else {
      throw LayoutError("\(inodesPerGroup) inodes in a group are not possible", at: Field.inodesPerGroup)
    }
    guard groupCount * UInt64(inodesPerGroup) == UInt64(inodeCount) else {
      throw LayoutError(
        "\(inodeCount) inodes are not \(groupCount) groups of \(inodesPerGroup)", at: Field.inodeCount)
    }
  }
}
