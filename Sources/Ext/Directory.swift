import Bytes
import Filesystems

/// A directory's blocks, each verified as it is read.
struct Directory {
  let inode: Inode
  let blocks: VolumeBlocks
  private let map: BlockMap
  /// How many blocks the directory has.
  let blockCount: UInt64
  private let hasChecksums: Bool

  /// The directory that lies in blocks, not in `inode` itself.
  init(_ inode: Inode, _ blocks: VolumeBlocks) throws {
    self.inode = inode
    self.blocks = blocks
    map = try BlockMap(of: inode, blocks)
    blockCount = inode.size >> UInt64(blocks.superblock.blockBits)
    hasChecksums = blocks.superblock.hasMetadataChecksums
    guard blockCount <= min(blocks.superblock.blockCount, map.limit) else {
      throw blocks.damaged(
        "directory \(inode.number) says to be larger than the volume", at: inode.offset(of: Inode.Field.sizeLow))
    }
  }

  /// Whether names are found by hashes.
  var isIndexed: Bool {
    inode.flags.contains(.indexed) && blocks.superblock.compatible.contains(.directoryIndex)
  }

  /// The directory's block `number`, its checksum verified.
  func block(_ number: UInt64) throws -> MetadataBlock {
    guard number < blockCount else {
      throw blocks.damaged("directory \(inode.number) has no block \(number)", at: inode.offset)
    }
    guard case .data(let place) = try map.run(at: number).contents else {
      throw blocks.damaged("directory \(inode.number) has a hole at its block \(number)", at: inode.offset)
    }
    let mark = UInt64(inode.number) | (number == 0 ? 1 << 32 : 0)
    return try blocks.block(place, as: .directory, of: mark, for: "directory \(inode.number)") { block in
      guard hasChecksums, try !isIntact(block, number) else { return }
      throw blocks.damaged(
        "the checksum of block \(number) of directory \(inode.number) does not match its bytes", at: block.offset)
    }
  }

  /// Whether the checksum in a leaf's or a node's end is right.
  private func isIntact(_ block: MetadataBlock, _ number: UInt64) throws -> Bool {
    if isIndexed, let start = HTreeNode.entriesOffset(block.bytes, block: number) {
      do throws(LayoutError) {
        return try HTreeNode(parsing: block.bytes, at: start).isIntact(seed: map.seed)
      } catch { throw blocks.damaged(error, in: "directory \(inode.number)", at: block.offset) }
    }
    let bytes = block.bytes
    let tail = bytes.byteCount - DirectoryBlock.Tail.byteCount
    guard bytes.littleEndian(at: tail + DirectoryBlock.Field.inode, as: UInt32.self) == 0,
      bytes.littleEndian(at: tail + DirectoryBlock.Field.length, as: UInt16.self) == 12,
      bytes.littleEndian(at: tail + DirectoryBlock.Field.type, as: UInt8.self) == DirectoryBlock.Tail.type
    else { return false }
    var crc = CRC32C(register: map.seed)
    crc.update(bytes.slice(0, tail))
    return crc.register == bytes.littleEndian(at: tail + DirectoryBlock.Tail.checksum, as: UInt32.self)
  }
}
