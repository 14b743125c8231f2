import Bytes
import Filesystems

/// A directory's own entries `.` and `..`.
extension DirectoryEditor {
  /// Where `..` starts in a directory's first block, in bytes.
  private static let parentOffset = 12

  /// Gives a new directory, whose inode is otherwise filled, its `.` and `..`, and writes its inode.
  static func initialise(_ record: inout InodeRecord, parent: UInt32, _ changes: Changes) throws {
    let superblock = changes.superblock
    let hasTypes = superblock.incompatible.contains(.fileType)
    let type = hasTypes ? FileKind.directory.directoryType : 0
    let new = try changes.growDirectory(&record)
    var block = EntryBlock(
      laying: [
        EntryBlock.Content(name: FileName.current.bytes, inode: record.number, type: type),
        EntryBlock.Content(name: FileName.parent.bytes, inode: parent, type: type),
      ], byteCount: superblock.blockSize, hasTail: superblock.hasMetadataChecksums, hasTypes: hasTypes)
    block.seal(seed: changes.blocks.checksumSeed(inode: record.number, generation: record.generation))
    let bytes = block.bytes
    try changes.edit(new.block) { $0.copy(bytes.raw, at: 0) }
    try changes.write(record)
  }

  /// Lets `..` point to another directory.
  func setParent(_ parent: UInt32) throws {
    let inode = try inode()
    if inode.flags.contains(.inlineData) { return try InlineDirectory(inode, changes).setParent(parent) }
    let blocks = DirectoryBlocks(inode, changes)
    let directory = try blocks.directory()
    var (block, place) = try blocks.entries(of: directory, 0)
    _ = try Self.parentEntry(of: inode, block, changes.blocks)
    block.setInode(parent, type: FileKind.directory.directoryType, at: Self.parentOffset)
    guard directory.isIndexed else { return try blocks.put(block, at: place, .inodes) }
    let root: IndexNode
    do throws(LayoutError) {
      root = try IndexNode(parsing: block.bytes, at: HTreeNode.Field.rootEntries, hasChecksum: blocks.hasChecksums)
    } catch { throw blocks.damaged(error, at: place << UInt64(changes.superblock.blockBits)) }
    try blocks.put(root, at: place, .inodes)
  }

  /// The inode that `..` of a directory's first block points to; throws where it does not stand where it must.
  private static func parentEntry(of inode: Inode, _ block: EntryBlock, _ volume: VolumeBlocks) throws -> UInt32 {
    let bytes = block.bytes.raw
    let place = parentOffset
    guard bytes.byteCount >= place + 12, bytes.littleEndian(at: DirectoryBlock.Field.length, as: UInt16.self) == 12,
      bytes.littleEndian(at: place + DirectoryBlock.Field.nameLength, as: UInt8.self) == 2,
      bytes.slice(place + DirectoryBlock.Field.name, 2).array == FileName.parent.bytes
    else { throw volume.damaged("directory \(inode.number) has no `..` where it must be", at: inode.offset) }
    return bytes.littleEndian(at: place + DirectoryBlock.Field.inode)
  }
}
