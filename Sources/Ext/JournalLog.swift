import BlockIO
import Bytes
import Filesystems

/// A journal's blocks, by their numbers in the journal.
final class JournalLog {
  let blocks: VolumeBlocks
  let superblock: JournalSuperblock
  private let map: BlockMap
  private var last: BlockRun?
  private var buffer: Buffer

  /// Opens the journal in the inode that the volume's superblock names.
  init(of blocks: VolumeBlocks) throws {
    self.blocks = blocks
    let inode = try blocks.inode(UInt64(blocks.superblock.journalInode))
    guard inode.kind == .regular else {
      throw blocks.damaged("the journal in inode \(inode.number) is not a regular file", at: inode.offset)
    }
    map = try BlockMap(of: inode, blocks)
    let size = blocks.blockSize
    buffer = Buffer(count: size)
    let run = try map.run(at: 0)
    guard case .data(let place) = run.contents else {
      throw blocks.damaged("the journal in inode \(inode.number) has no first block", at: inode.offset)
    }
    let offset = try blocks.offset(of: place, for: "the journal")
    let head = try MetadataBlock(of: blocks.source, at: offset, count: size)
    do throws(LayoutError) { superblock = try JournalSuperblock(parsing: head.bytes) } catch {
      throw blocks.damaged(error, in: "the journal", at: offset)
    }
    guard Int(superblock.blockSize) == size, UInt64(superblock.blockCount) <= inode.size / UInt64(size) else {
      throw blocks.damaged(
        "the journal says \(superblock.blockCount) blocks of \(superblock.blockSize) bytes, and its inode holds "
          + "\(inode.size) bytes", at: offset)
    }
    guard superblock.incompatible.isSubset(of: .readable) else {
      throw ImageError(
        .unsupported, format: blocks.type, offset: offset,
        "the journal uses features that are not known (\(UInt64(superblock.incompatible.rawValue).hex)); "
          + "let e2fsck recover the volume first")
    }
  }

  /// The volume's block that holds a block of the journal.
  func place(of block: UInt32) throws -> UInt64 {
    let block = UInt64(block)
    let run: BlockRun
    if let last, last.first <= block, block < last.end {
      run = last.from(block)
    } else {
      run = try map.run(at: block)
      last = run
    }
    guard case .data(let place) = run.contents else {
      throw blocks.damaged("block \(block) of the journal has no place on the volume")
    }
    return place
  }

  /// Reads a block of the journal and gives it to `body`.
  func withBlock<Result>(_ number: UInt32, _ body: (RawSpan) throws -> Result) throws -> Result {
    let offset = try blocks.offset(of: place(of: number), for: "block \(number) of the journal")
    try buffer.fill(0, buffer.count) { try blocks.source.read(at: offset, into: &$0) }
    return try buffer.withSlice(0, buffer.count, body)
  }

  /// The block behind `block` in the log, which goes round.
  func next(_ block: UInt32, by count: UInt32 = 1) -> UInt32 {
    let (log, sum) = (superblock.end - superblock.first, UInt64(block) + UInt64(count))
    return sum < UInt64(superblock.end)
      ? UInt32(sum) : superblock.first + UInt32((sum - UInt64(superblock.first)) % UInt64(log))
  }
}
