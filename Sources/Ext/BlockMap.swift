import Bytes
import Filesystems

/// The map from an inode's blocks to the volume's: an extent tree, or lists of block numbers.
struct BlockMap {
  let inode: Inode
  let blocks: VolumeBlocks
  /// The seed of the checksums of the tree's blocks.
  let seed: UInt32
  /// Blocks that the map can name; a file cannot be longer.
  let limit: UInt64

  /// Block numbers in the inode itself, before the three lists of lists.
  static let directCount: UInt64 = 12

  init(of inode: Inode, _ blocks: VolumeBlocks) throws {
    self.inode = inode
    self.blocks = blocks
    seed = blocks.checksumSeed(inode: inode.number, generation: inode.generation)
    if inode.flags.contains(.extents) {
      limit = 1 << 32
      do throws(LayoutError) {
        try ExtentNode(parsing: inode.map).check()
      } catch { throw blocks.damaged(error, in: "inode \(inode.number)", at: inode.offset(of: Inode.Field.map)) }
    } else {
      let pointers = UInt64(blocks.blockSize / 4)
      limit = min(Self.directCount + pointers + pointers * pointers + pointers * pointers * pointers, 1 << 32)
    }
  }

  /// The run of blocks that starts with the file's block `block`, which must be below `limit`.
  func run(at block: UInt64) throws -> BlockRun {
    let run =
      inode.flags.contains(.extents)
      ? try find(block, in: inode.map, depth: nil, end: limit, at: inode.offset(of: Inode.Field.map))
      : try listed(block)
    if case .data(let start) = run.contents {
      _ = try blocks.offset(of: start, count: run.count, for: "block \(run.first) of inode \(inode.number)")
    }
    return run
  }

  /// Finds `block` in the node in `bytes`, whose range ends before `end`; `depth` is what its parent demands.
  private func find(
    _ block: UInt64, in bytes: RawSpan, depth: Int?, end: UInt64, at offset: UInt64
  ) throws -> BlockRun {
    let node: ExtentNode
    do throws(LayoutError) { node = try ExtentNode(parsing: bytes) } catch {
      throw blocks.damaged(error, in: "inode \(inode.number)", at: offset)
    }
    if let depth, node.depth != depth {
      throw blocks.damaged("the extent tree of inode \(inode.number) has a node of a wrong level", at: offset + 6)
    }
    guard let index = node.entry(for: block) else {
      let next = node.count > 0 ? min(node.first(0), end) : end
      return BlockRun(first: block, count: next - block, contents: .hole)
    }
    let next = index + 1 < node.count ? min(node.first(index + 1), end) : end
    guard node.depth > 0 else {
      let extent = node.extent(index)
      let first = node.first(index)
      guard block < first + extent.count else {
        return BlockRun(first: block, count: max(next, block + 1) - block, contents: .hole)
      }
      let run = BlockRun(
        first: first, count: min(first + extent.count, max(next, block + 1)) - first,
        contents: extent.isWritten ? .data(extent.start) : .unwritten)
      return run.from(block)
    }
    let child = try blocks.extentNode(node.child(index), depth: node.depth - 1, of: inode.number, seed: seed)
    return try find(block, in: child.bytes, depth: node.depth - 1, end: max(next, block + 1), at: child.offset)
  }
}

extension VolumeBlocks {
  /// A block of the extent tree of the inode `number`, its checksum and entries verified.
  func extentNode(_ block: UInt64, depth: Int, of number: UInt32, seed: UInt32) throws -> MetadataBlock {
    let name = "the extent tree of inode \(number)"
    let mark = UInt64(number) | UInt64(depth) << 32
    return try self.block(block, as: .extents, of: mark, for: name) { block in
      do throws(LayoutError) {
        let node = try ExtentNode(parsing: block.bytes)
        if superblock.hasMetadataChecksums {
          try Self.verify(block.bytes, node.checksumOffset, seed)
        }
        try node.check()
      } catch { throw damaged(error, in: name, at: block.offset) }
    }
  }

  private static func verify(_ bytes: RawSpan, _ place: Int, _ seed: UInt32) throws(LayoutError) {
    guard place + 4 <= bytes.byteCount else { throw LayoutError("there is no room for the checksum", at: 4) }
    var crc = CRC32C(register: seed)
    crc.update(bytes.slice(0, place))
    guard crc.register == bytes.littleEndian(at: place, as: UInt32.self) else {
      throw LayoutError("the checksum of an extent block does not match its bytes", at: place)
    }
  }
}
