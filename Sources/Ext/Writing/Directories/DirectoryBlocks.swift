import BlockIO
import Bytes
import Filesystems

/// The blocks of a directory that is being changed.
struct DirectoryBlocks {
  let number: UInt32
  let changes: Changes
  /// The seed of the checksums of the directory's blocks.
  let seed: UInt32

  init(_ inode: Inode, _ changes: Changes) {
    number = inode.number
    self.changes = changes
    seed = changes.blocks.checksumSeed(inode: inode.number, generation: inode.generation)
  }

  var superblock: Superblock { changes.superblock }
  var hasChecksums: Bool { superblock.hasMetadataChecksums }
  var hasTypes: Bool { superblock.incompatible.contains(.fileType) }

  /// The directory as the changes so far have left it.
  func directory() throws -> Directory { try Directory(changes.blocks.inode(UInt64(number)), changes.blocks) }

  /// An error about a structure in the directory's block at `offset` of the volume.
  func damaged(_ error: LayoutError, at offset: UInt64) -> ImageError {
    changes.blocks.damaged(error, in: "directory \(number)", at: offset)
  }

  /// The directory's block `index` with its entries, and which block of the volume it is.
  func entries(of directory: Directory, _ index: UInt64) throws -> (block: EntryBlock, place: UInt64) {
    let block = try directory.block(index)
    return (
      EntryBlock(block.bytes.array, hasTail: hasChecksums, hasTypes: hasTypes),
      block.offset >> UInt64(superblock.blockBits)
    )
  }

  /// Lays entries out as a block of the directory.
  func block(of contents: [EntryBlock.Content]) -> EntryBlock {
    EntryBlock(laying: contents, byteCount: superblock.blockSize, hasTail: hasChecksums, hasTypes: hasTypes)
  }

  /// Writes a block with entries to the volume's block `place`.
  func put(_ block: EntryBlock, at place: UInt64, _ phase: WritePhase) throws {
    var block = block
    block.seal(seed: seed)
    try put(block.bytes, at: place, phase)
  }

  /// Writes a node of the index to the volume's block `place`.
  func put(_ node: IndexNode, at place: UInt64, _ phase: WritePhase) throws {
    var node = node
    node.seal(seed: seed)
    try put(node.bytes, at: place, phase)
  }

  private func put(_ bytes: [UInt8], at place: UInt64, _ phase: WritePhase) throws {
    try changes.edit(place) { $0.copy(bytes.raw, at: 0) }
    changes.mark(place, phase)
  }

  /// Makes the directory one block longer; the block is to be filled.
  func grow() throws -> (number: UInt64, place: UInt64) {
    var record = try changes.record(UInt64(number))
    let new = try changes.growDirectory(&record)
    try changes.write(record)
    return (new.number, new.block)
  }

  /// Sets or clears the mark of a directory that has an index.
  func setIndexed(_ isIndexed: Bool) throws {
    var record = try changes.record(UInt64(number))
    guard record.flags.contains(.indexed) != isIndexed else { return }
    if isIndexed { record.flags.insert(.indexed) } else { record.flags.remove(.indexed) }
    try changes.write(record)
  }
}
