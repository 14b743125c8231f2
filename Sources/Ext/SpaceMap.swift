import BlockIO
import Bytes
import Filesystems

/// Which clusters of a volume are in use: a bitmap in every block group, or none where a group was never written.
struct SpaceMap {
  private let blocks: VolumeBlocks
  private let layout: GroupLayout
  private let superblock: Superblock
  /// Groups whose counts are summed; 16 TiB have as many where blocks have 1 KiB.
  private static let mostGroups: UInt64 = 1 << 21

  init(_ blocks: VolumeBlocks) {
    self.blocks = blocks
    layout = blocks.layout
    superblock = blocks.superblock
  }

  /// Space and files by the groups' own counts, as statfs(2) has them after a recovery.
  func statistics() throws -> VolumeStatistics {
    var (free, inodes): (UInt64, UInt64) = (0, 0)
    if layout.groupCount <= Self.mostGroups {
      for group in 0..<layout.groupCount {
        let descriptor = try blocks.descriptor(of: group)
        free += UInt64(descriptor.freeClusters) << UInt64(superblock.clusterBits)
        inodes += UInt64(descriptor.freeInodes)
      }
    } else {
      (free, inodes) = (superblock.freeBlockCount, UInt64(superblock.freeInodeCount))
    }
    let total = UInt64(superblock.inodeCount)
    return VolumeStatistics(
      blockSize: UInt32(blocks.blockSize), blockCount: superblock.blockCount,
      freeBlockCount: min(free, superblock.blockCount), inodeCount: total, freeInodeCount: min(inodes, total))
  }

  /// What lies at `offset`: the boot block is in use, what lies behind the volume is not.
  func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let bits = UInt64(superblock.blockBits)
    let block = offset >> bits
    let first = UInt64(superblock.firstDataBlock)
    if block < first { return cut(Extent.Kind.data, 0..<first, offset, limit) }
    if block >= superblock.blockCount { return Extent(.unused, offset: offset, length: limit - offset) }
    let group = (block - first) / layout.blocksPerGroup
    let start = layout.firstBlock(of: group)
    let descriptor = try blocks.descriptor(of: group)
    if superblock.hasGroupChecksums, descriptor.flags.contains(.blocksUninitialised) {
      return uninitialised(block, group, descriptor, offset, limit)
    }
    let bitmap = try blocks.blockBitmap(of: group)
    let count = Int(superblock.blocksPerGroup >> superblock.clusterBits)
    let clusters = (layout.blockCount(of: group) - 1) >> UInt64(superblock.clusterBits) + 1
    let map = Bitmap(bitmap.bytes, count: min(count, Int(clusters)))
    let cluster = Int((block - start) >> UInt64(superblock.clusterBits))
    let isUsed = map.next(true, from: cluster) == cluster
    let end = UInt64(map.next(!isUsed, from: cluster)) << UInt64(superblock.clusterBits)
    return cut(isUsed ? .data : .unused, block..<min(start + end, superblock.blockCount), offset, limit)
  }

  /// The part of `range` (in blocks) from `offset` to `limit`.
  private func cut(_ kind: Extent.Kind, _ range: Range<UInt64>, _ offset: UInt64, _ limit: UInt64) -> Extent {
    let end = min(range.upperBound << UInt64(superblock.blockBits), limit)
    return Extent(kind, offset: offset, length: end - offset)
  }

  /// In a group whose bitmap was never written only its own metadata is in use.
  private func uninitialised(
    _ block: UInt64, _ group: UInt64, _ descriptor: GroupDescriptor, _ offset: UInt64, _ limit: UInt64
  ) -> Extent {
    var nextStart = layout.firstBlock(of: group) + layout.blockCount(of: group)
    for area in layout.ownMetadata(of: group, descriptor) {
      let (from, to) = (area.lowerBound, area.upperBound)
      if from <= block, block < to { return cut(.data, block..<to, offset, limit) }
      if from > block { nextStart = min(nextStart, from) }
    }
    return cut(.unused, block..<nextStart, offset, limit)
  }
}
