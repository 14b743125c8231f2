import BlockIO
import Bytes
import Filesystems

/// Changes the entries of a directory that lies in its inode (inline_data): the parent's number and entries in the 60
/// bytes of the map, and more entries in the attribute `system.data`.
struct InlineDirectory {
  private let inode: Inode
  private let changes: Changes

  init(_ inode: Inode, _ changes: Changes) {
    self.inode = inode
    self.changes = changes
  }

  private var hasTypes: Bool { changes.superblock.incompatible.contains(.fileType) }

  private func parts() throws -> [EntryBlock] {
    try DirectoryListing.inlineParts(inode, changes.blocks).map {
      EntryBlock($0.bytes, hasTail: false, hasTypes: hasTypes)
    }
  }

  private func damaged(_ error: LayoutError) -> ImageError {
    changes.blocks.damaged(error, in: "directory \(inode.number)", at: inode.offset)
  }

  /// Adds an entry; false where it has to move to a block.
  func insert(_ content: EntryBlock.Content) throws -> Bool {
    for (number, part) in try parts().enumerated() {
      var part = part
      do throws(LayoutError) { guard try part.insert(content) else { continue } } catch { throw damaged(error) }
      try put(part, UInt64(number))
      return true
    }
    return false
  }

  /// Takes an entry away.
  func remove(_ found: DirectoryLookup.Found) throws {
    var part = try parts()[Int(found.block)]
    do throws(LayoutError) { try part.remove(at: found.offset) } catch { throw damaged(error) }
    try put(part, found.block)
  }

  /// Lets an entry point to another inode.
  func replace(_ found: DirectoryLookup.Found, inode: UInt32, type: UInt8) throws {
    var part = try parts()[Int(found.block)]
    part.setInode(inode, type: type, at: found.offset)
    try put(part, found.block)
  }

  /// Sets the parent's number.
  func setParent(_ parent: UInt32) throws {
    var record = try changes.record(UInt64(inode.number))
    record.store(parent, at: Inode.Field.map)
    try changes.write(record)
  }

  private func put(_ part: EntryBlock, _ number: UInt64) throws {
    var record = try changes.record(UInt64(inode.number))
    if number == 0 {
      record.replace(at: Inode.Field.map + DirectoryListing.inlineStart, with: part.bytes)
    } else {
      var attributes = try AttributeEditor(record, changes)
      try attributes.setInlineData(part.bytes)
      try attributes.finish()
      record = attributes.record
    }
    try changes.write(record)
  }

  /// Moves the entries to a block.
  func moveOut() throws {
    let type = hasTypes ? FileKind.directory.directoryType : 0
    var contents = [
      EntryBlock.Content(name: FileName.current.bytes, inode: inode.number, type: type),
      EntryBlock.Content(name: FileName.parent.bytes, inode: inode.map.littleEndian(at: 0), type: type),
    ]
    for part in try parts() {
      do throws(LayoutError) { contents += try part.entries().filter { $0.inode != 0 }.map(part.content) } catch {
        throw damaged(error)
      }
    }
    let blocks = DirectoryBlocks(inode, changes)
    // Less than an inode holds is less than a block holds.
    guard contents.reduce(0, { $0 + $1.byteCount }) <= EntryBlock.room(changes.superblock) else {
      throw changes.blocks.damaged("directory \(inode.number) is larger than its inode", at: inode.offset)
    }
    var attributes = try AttributeEditor(changes.record(UInt64(inode.number)), changes)
    try attributes.setInlineData(nil)
    try attributes.finish()
    var record = attributes.record
    record.clearMap(changes.superblock)
    record.size = 0
    let new = try changes.growDirectory(&record)
    try changes.write(record)
    try blocks.put(blocks.block(of: contents), at: new.block, .fresh)
  }
}
