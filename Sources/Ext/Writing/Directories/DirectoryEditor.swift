import BlockIO
import Bytes
import Filesystems

/// Changes the entries of one directory, wherever they lie: in its inode, in blocks, in blocks with an index.
///
/// Link counts and times are the caller's.
struct DirectoryEditor {
  let number: UInt32
  let changes: Changes

  /// Edits the directory in the inode `number`.
  init(_ number: UInt32, _ changes: Changes) {
    self.number = number
    self.changes = changes
  }

  /// The directory's inode; throws where its entries cannot be changed.
  func inode() throws -> Inode {
    let inode = try changes.blocks.inode(UInt64(number))
    guard inode.kind == .directory else { throw FileError(.notADirectory, "inode \(number)") }
    guard !inode.flags.contains(.encrypted) else { throw FileError(.encrypted, "directory \(number)") }
    return inode
  }

  /// Adds an entry, whose name is known not to be there.
  func insert(_ name: FileName, inode file: UInt32, kind: FileKind) throws {
    guard 1...255 ~= name.bytes.count else { throw FileError(.nameTooLong, name.description) }
    var inode = try inode()
    let hasTypes = changes.superblock.incompatible.contains(.fileType)
    let content = EntryBlock.Content(name: name.bytes, inode: file, type: hasTypes ? kind.directoryType : 0)
    if inode.flags.contains(.inlineData) {
      if try InlineDirectory(inode, changes).insert(content) { return }
      try InlineDirectory(inode, changes).moveOut()
      inode = try self.inode()
    }
    if try Directory(inode, changes.blocks).isIndexed { return try IndexEditor(inode, changes).insert(content) }
    try insertInOrder(content, inode)
  }

  /// Adds an entry to a directory without an index, which gets one with its second block.
  private func insertInOrder(_ content: EntryBlock.Content, _ inode: Inode) throws {
    let blocks = DirectoryBlocks(inode, changes)
    // An index that the volume's features do not know would no longer be right.
    try blocks.setIndexed(false)
    let directory = try blocks.directory()
    // The last block first: where all are full but it, the others need not be read.
    let last = directory.blockCount > 0 ? directory.blockCount - 1 : 0
    for index in [last] + Array(0..<last) where index < directory.blockCount {
      var (block, place) = try blocks.entries(of: directory, index)
      do throws(LayoutError) { guard try block.insert(content) else { continue } } catch {
        throw blocks.damaged(error, at: place << UInt64(changes.superblock.blockBits))
      }
      return try blocks.put(block, at: place, .added)
    }
    if directory.blockCount == 1, changes.superblock.compatible.contains(.directoryIndex) {
      let editor = IndexEditor(inode, changes)
      if try editor.makeIndex() { return try IndexEditor(self.inode(), changes).insert(content) }
    }
    let new = try blocks.grow()
    try blocks.put(blocks.block(of: [content]), at: new.place, .fresh)
  }

  /// Takes an entry away and returns its inode's number.
  @discardableResult
  func remove(_ name: FileName) throws -> UInt32 {
    let inode = try inode()
    let found = try locate(name, inode)
    if inode.flags.contains(.inlineData) {
      try InlineDirectory(inode, changes).remove(found)
      return found.inode
    }
    let blocks = DirectoryBlocks(inode, changes)
    var (block, place) = try blocks.entries(of: blocks.directory(), found.block)
    do throws(LayoutError) { try block.remove(at: found.offset) } catch {
      throw blocks.damaged(error, at: place << UInt64(changes.superblock.blockBits))
    }
    try blocks.put(block, at: place, .removed)
    return found.inode
  }

  /// Lets an entry that is there point to another inode.
  func replace(_ name: FileName, inode file: UInt32, kind: FileKind) throws {
    let inode = try inode()
    let found = try locate(name, inode)
    if inode.flags.contains(.inlineData) {
      return try InlineDirectory(inode, changes).replace(found, inode: file, type: kind.directoryType)
    }
    let blocks = DirectoryBlocks(inode, changes)
    var (block, place) = try blocks.entries(of: blocks.directory(), found.block)
    block.setInode(file, type: kind.directoryType, at: found.offset)
    try blocks.put(block, at: place, .added)
  }

  /// An entry that is there; throws where the index does not lead to it.
  private func locate(_ name: FileName, _ inode: Inode) throws -> DirectoryLookup.Found {
    if !inode.flags.contains(.inlineData), try Directory(inode, changes.blocks).isIndexed {
      try IndexEditor(inode, changes).check(for: name.bytes)
    }
    guard let found = try DirectoryLookup(name, in: inode, changes.blocks).locate() else {
      throw FileError(.notFound, name.description)
    }
    return found
  }

  /// Whether there is nothing but `.` and `..`.
  func isEmpty() throws -> Bool {
    try DirectoryListing(inode(), changes.blocks).entries(from: 0, limit: 1).isEmpty
  }
}
