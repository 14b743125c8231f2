import Bytes
import Filesystems

/// Descriptors and bitmaps of block groups.
extension Changes {
  /// A number of a descriptor, and where its halves lie; the upper one only where the descriptor has it.
  private typealias Number = (value: Int, low: Int, high: Int)

  /// Changes numbers of a group's descriptor and clears flags, where they mean something; the checksum is made here.
  private func editDescriptor(of group: UInt64, _ numbers: [Number], clearing flags: GroupDescriptor.Flags) throws {
    let place = blocks.layout.descriptorPlace(of: group)
    let size = superblock.descriptorSize
    let block = try blocks.block(place.block, for: "a descriptor")
    var bytes = block.bytes.slice(place.offset, size).array
    for number in numbers {
      bytes.store(UInt16(truncatingIfNeeded: number.value), at: number.low)
      if size >= 64 { bytes.store(UInt16(truncatingIfNeeded: number.value >> 16), at: number.high) }
    }
    if superblock.hasGroupChecksums {
      let old: UInt16 = bytes.raw.littleEndian(at: GroupDescriptor.Field.flags)
      bytes.store(old & ~flags.rawValue, at: GroupDescriptor.Field.flags)
    }
    if let checksum = GroupDescriptor.checksum(of: bytes.raw, group: group, superblock) {
      bytes.store(checksum, at: GroupDescriptor.Field.checksum)
    }
    let changed = bytes
    try edit(place.block) { $0.copy(changed.raw, at: place.offset) }
    mark(place.block, .maps)
    blocks.forgetDescriptor(of: group)
  }

  /// Whether a group's flag stands in its descriptor and means something.
  private func isMarked(_ group: UInt64, _ flag: GroupDescriptor.Flags) throws -> Bool {
    try superblock.hasGroupChecksums && blocks.descriptor(of: group).flags.contains(flag)
  }

  /// Clusters of a group, and bits that its bitmap has for them.
  func clusterCount(of group: UInt64) -> Int {
    Int((blocks.layout.blockCount(of: group) - 1) >> UInt64(superblock.clusterBits)) + 1
  }

  /// A group's bitmap of clusters as it is, also where it was never written.
  func blockBitmap(of group: UInt64) throws -> [UInt8] {
    guard try isMarked(group, .blocksUninitialised) else {
      let block = try blocks.blockBitmap(of: group)
      return block.bytes.array
    }
    var bits = [UInt8](repeating: 0, count: blockSize)
    let start = blocks.layout.firstBlock(of: group)
    for area in try blocks.layout.ownMetadata(of: group, blocks.descriptor(of: group)) {
      let first = Int((area.lowerBound - start) >> UInt64(superblock.clusterBits))
      bits.setBits(first..<(Int((area.upperBound - 1 - start) >> UInt64(superblock.clusterBits)) + 1))
    }
    bits.setBits(clusterCount(of: group)..<(blockSize * 8))
    return bits
  }

  /// A group's bitmap of inodes as it is, also where it was never written.
  func inodeBitmap(of group: UInt64) throws -> [UInt8] {
    guard try isMarked(group, .inodesUninitialised) else {
      let block = try blocks.inodeBitmap(of: group)
      return block.bytes.array
    }
    var bits = [UInt8](repeating: 0, count: blockSize)
    bits.setBits(Int(superblock.inodesPerGroup)..<(blockSize * 8))
    return bits
  }

  /// Writes a bitmap that was never written as what it stands for.
  func initialiseBlockBitmap(of group: UInt64) throws {
    guard try isMarked(group, .blocksUninitialised) else { return }
    try write(blockBitmap(of: group), asBlockBitmapOf: group, freeClusterGain: 0)
  }

  /// Writes a bitmap of clusters, with all that depends on it.
  private func write(_ bits: [UInt8], asBlockBitmapOf group: UInt64, freeClusterGain gain: Int) throws {
    let descriptor = try blocks.descriptor(of: group)
    try edit(descriptor.blockBitmap) { $0.copy(bits.raw, at: 0) }
    mark(descriptor.blockBitmap, .maps)
    let checksum = blocks.bitmapChecksum(bits.raw, bits: blocks.blockBitmapBits)
    let free = Int(descriptor.freeClusters) + gain
    guard free >= 0, free <= clusterCount(of: group) else {
      throw contradiction("free blocks", group)
    }
    var numbers: [Number] = [(free, GroupDescriptor.Field.freeBlocksLow, GroupDescriptor.Field.freeBlocksHigh)]
    if superblock.hasMetadataChecksums {
      numbers.append(
        (
          Int(checksum), GroupDescriptor.Field.blockBitmapChecksumLow, GroupDescriptor.Field.blockBitmapChecksumHigh
        ))
    }
    try editDescriptor(of: group, numbers, clearing: .blocksUninitialised)
    notes.freeBlockGain += Int64(gain) << Int64(superblock.clusterBits)
  }

  /// Marks clusters of a group as in use or free; they must not be so already.
  func mark(_ clusters: Range<Int>, of group: UInt64, asUsed isUsed: Bool) throws {
    var bits = try blockBitmap(of: group)
    guard clusters.upperBound <= clusterCount(of: group), bits.areAll(!isUsed, clusters) else {
      throw contradiction("block bitmap", group)
    }
    if isUsed { bits.setBits(clusters) } else { bits.clearBits(clusters) }
    try write(bits, asBlockBitmapOf: group, freeClusterGain: isUsed ? -clusters.count : clusters.count)
  }

  /// Marks an inode of a group as in use or free, with all that depends on it.
  func markInode(_ index: Int, of group: UInt64, asUsed isUsed: Bool, isDirectory: Bool) throws {
    var bits = try inodeBitmap(of: group)
    guard bits.areAll(!isUsed, index..<(index + 1)) else { throw contradiction("inode bitmap", group) }
    if isUsed { bits.setBits(index..<(index + 1)) } else { bits.clearBits(index..<(index + 1)) }
    // As the kernel has it, a group with inodes in use has its block bitmap written too.
    if isUsed { try initialiseBlockBitmap(of: group) }
    let descriptor = try blocks.descriptor(of: group)
    let changed = bits
    try edit(descriptor.inodeBitmap) { $0.copy(changed.raw, at: 0) }
    mark(descriptor.inodeBitmap, .maps)
    let perGroup = Int(superblock.inodesPerGroup)
    let checksum = blocks.bitmapChecksum(bits.raw, bits: perGroup)
    let gain = isUsed ? -1 : 1
    let free = Int(descriptor.freeInodes) + gain
    let directories = Int(descriptor.directoryCount) - (isDirectory ? gain : 0)
    guard 0...perGroup ~= free, 0...perGroup ~= directories else { throw contradiction("inode counts", group) }
    let wasUnused = descriptor.flags.contains(.inodesUninitialised) ? perGroup : Int(descriptor.unusedInodes)
    let unused = isUsed ? min(wasUnused, perGroup - index - 1) : wasUnused
    var numbers: [Number] = [
      (free, GroupDescriptor.Field.freeInodesLow, GroupDescriptor.Field.freeInodesHigh),
      (directories, GroupDescriptor.Field.directoriesLow, GroupDescriptor.Field.directoriesHigh),
    ]
    if superblock.hasMetadataChecksums {
      numbers.append(
        (
          Int(checksum), GroupDescriptor.Field.inodeBitmapChecksumLow, GroupDescriptor.Field.inodeBitmapChecksumHigh
        ))
    }
    if superblock.hasGroupChecksums {
      numbers.append((unused, GroupDescriptor.Field.unusedInodesLow, GroupDescriptor.Field.unusedInodesHigh))
    }
    try editDescriptor(of: group, numbers, clearing: .inodesUninitialised)
    notes.freeInodeGain += Int64(gain)
  }

  private func contradiction(_ what: String, _ group: UInt64) -> any Error {
    blocks.damaged("the \(what) of block group \(group) contradict what is in use; run e2fsck -f first")
  }
}
