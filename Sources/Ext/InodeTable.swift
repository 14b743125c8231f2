import Bytes
import Filesystems

extension VolumeBlocks {
  /// Bytes of an inode table read at once, where a block is smaller.
  private static let pieceByteCount: UInt64 = 4 << 10

  /// The inode `number`, which must be in use; its checksum verified.
  func inode(_ number: UInt64) throws -> Inode {
    let inode = try anyInode(number)
    guard inode.mode != 0, inode.linkCount > 0 else {
      throw damaged("inode \(number) is not in use, and something points to it", at: inode.offset)
    }
    return inode
  }

  /// The inode `number`, in use or not; its checksum verified.
  func anyInode(_ number: UInt64) throws -> Inode {
    guard number >= 1, number <= UInt64(superblock.inodeCount) else {
      throw damaged("there is no inode \(number): the volume has \(superblock.inodeCount)")
    }
    let perGroup = UInt64(superblock.inodesPerGroup)
    let group = (number - 1) / perGroup
    let index = (number - 1) % perGroup
    let descriptor = try descriptor(of: group)
    if superblock.hasGroupChecksums {
      let unused = UInt64(descriptor.unusedInodes)
      guard !descriptor.flags.contains(.inodesUninitialised), index < perGroup - min(unused, perGroup) else {
        throw damaged("inode \(number) was never used, and something points to it")
      }
    }
    let place = try inodePlace(number)
    let piece = try bytes(at: place.piece, count: place.count)
    let inode = Inode(number: UInt32(number), in: piece, at: place.inPiece, superblock)
    if superblock.hasMetadataChecksums {
      let seed = checksumSeed(inode: inode.number, generation: inode.generation)
      guard inode.isIntact(seed: seed) || inode.bytes.isAllZero else {
        throw damaged("the checksum of inode \(number) does not match its bytes", at: inode.offset)
      }
    }
    guard inode.extraByteCount != nil else {
      throw damaged(
        "inode \(number) says an impossible size of its extra fields", at: inode.offset(of: Inode.Field.extraSize))
    }
    return inode
  }

  /// The piece of an inode table that is read at once for the inode `number`, which must be one of the volume's, and
  /// where in it the inode lies; all in bytes.
  func inodePlace(_ number: UInt64) throws -> (piece: UInt64, count: Int, inPiece: Int) {
    let perGroup = UInt64(superblock.inodesPerGroup)
    let group = (number - 1) / perGroup
    let index = (number - 1) % perGroup
    let size = UInt64(superblock.inodeSize)
    let blockSize = UInt64(blockSize)
    let tableBlocks = (perGroup * size + blockSize - 1) / blockSize
    let start = try offset(
      of: descriptor(of: group).inodeTable, count: tableBlocks, for: "the inode table of block group \(group)")
    let pieceSize = max(blockSize, Self.pieceByteCount)
    let first = index * size / pieceSize * pieceSize
    let count = min(pieceSize, tableBlocks * blockSize - first)
    return (start + first, Int(count), Int(index * size - first))
  }
}
