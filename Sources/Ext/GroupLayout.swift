/// Where block groups, their descriptors and the copies of the superblock lie.
struct GroupLayout: Sendable {
  let groupCount: UInt64
  let blocksPerGroup: UInt64
  let firstDataBlock: UInt64
  let blockCount: UInt64
  let blockSize: UInt64
  let descriptorSize: UInt64
  private let superblock: Superblock

  init(_ superblock: Superblock) {
    groupCount = superblock.groupCount
    blocksPerGroup = UInt64(superblock.blocksPerGroup)
    firstDataBlock = UInt64(superblock.firstDataBlock)
    blockCount = superblock.blockCount
    blockSize = UInt64(superblock.blockSize)
    descriptorSize = UInt64(superblock.descriptorSize)
    self.superblock = superblock
  }

  /// The first block of a group.
  func firstBlock(of group: UInt64) -> UInt64 { firstDataBlock + group * blocksPerGroup }

  /// How many blocks a group has; the last may be short.
  func blockCount(of group: UInt64) -> UInt64 { min(blocksPerGroup, blockCount - firstBlock(of: group)) }

  /// Descriptors in a block.
  var descriptorsPerBlock: UInt64 { blockSize / descriptorSize }
  /// Blocks that all descriptors take.
  var descriptorBlockCount: UInt64 { (groupCount + descriptorsPerBlock - 1) / descriptorsPerBlock }

  /// Whether a group starts with a copy of the superblock (the primary one for group 0).
  func hasSuperblock(_ group: UInt64) -> Bool {
    if group == 0 { return true }
    if superblock.compatible.contains(.sparseSuper2) { return superblock.backupGroups.contains { $0 == group } }
    if group == 1 || !superblock.readOnly.contains(.sparseSuper) { return true }
    return [3, 5, 7].contains { isPower(group, of: $0) }
  }

  private func isPower(_ value: UInt64, of base: UInt64) -> Bool {
    var rest = value
    while rest % base == 0 { rest /= base }
    return rest == 1
  }

  /// Where the superblock's copy in `group` lies in bytes.
  func superblockOffset(of group: UInt64) -> UInt64 {
    group == 0 ? Superblock.offset : firstBlock(of: group) * blockSize
  }

  /// Whether the descriptors of the meta group `index` lie in the group itself (meta_bg), not behind the superblock.
  func isMeta(_ index: UInt64) -> Bool {
    superblock.incompatible.contains(.metaGroups) && index >= UInt64(superblock.firstMetaGroup)
  }

  /// The block with a group's descriptor, and the descriptor's offset in it in bytes.
  func descriptorPlace(of group: UInt64) -> (block: UInt64, offset: Int) {
    let index = group / descriptorsPerBlock
    let offset = Int(group % descriptorsPerBlock * descriptorSize)
    // The superblock's own block: 0, or 1 where blocks have 1 KiB.
    let superblockBlock = Superblock.offset / blockSize
    guard isMeta(index) else { return (superblockBlock + 1 + index, offset) }
    let first = index * descriptorsPerBlock
    if first == 0 { return (superblockBlock + 1, offset) }
    return (firstBlock(of: first) + (hasSuperblock(first) ? 1 : 0), offset)
  }

  /// Blocks at the start of a group that the superblock's copy and descriptors take, those kept for growth included.
  func baseMetadataBlockCount(of group: UInt64) -> UInt64 {
    let hasSuperblock = hasSuperblock(group)
    let index = group / descriptorsPerBlock
    if isMeta(index) {
      let first = index * descriptorsPerBlock
      let hasDescriptors = group == first || group == first + 1 || group == first + descriptorsPerBlock - 1
      return (hasSuperblock ? 1 : 0) + (hasDescriptors ? 1 : 0)
    }
    guard hasSuperblock else { return 0 }
    let isMixed = superblock.incompatible.contains(.metaGroups)
    let descriptors = isMixed ? UInt64(superblock.firstMetaGroup) : descriptorBlockCount
    return 1 + descriptors + UInt64(superblock.reservedDescriptorBlocks)
  }

  /// Blocks that an inode table takes.
  var inodeTableBlockCount: UInt64 {
    (UInt64(superblock.inodesPerGroup) * UInt64(superblock.inodeSize) + blockSize - 1) / blockSize
  }

  /// The blocks of a group that its own metadata takes, as whole clusters.
  ///
  /// All that is in use where the bitmap was never written; ranges may overlap.
  func ownMetadata(of group: UInt64, _ descriptor: GroupDescriptor) -> [Range<UInt64>] {
    let start = firstBlock(of: group)
    let end = start + blockCount(of: group)
    let areas = [
      (start, baseMetadataBlockCount(of: group)), (descriptor.blockBitmap, 1), (descriptor.inodeBitmap, 1),
      (descriptor.inodeTable, inodeTableBlockCount),
    ]
    return areas.compactMap { first, count in
      guard count > 0, first < end, first <= UInt64.max - count, first + count > start else { return nil }
      let unit = superblock.blocksPerCluster
      let low = max(first, start)
      let last = min(first + count, end)
      let from = start + (low - start) / unit * unit
      return from..<min(start + ((last - start) + unit - 1) / unit * unit, end)
    }
  }
}
