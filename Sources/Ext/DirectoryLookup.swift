import Bytes
import Filesystems

/// Finds a name in a directory: by the index where there is one, else entry by entry.
struct DirectoryLookup {
  private let inode: Inode
  private let blocks: VolumeBlocks
  private let name: FileName
  private let folded: FoldedName?
  private let hasTypes: Bool
  /// Levels of an index below its root, at most; with the feature large_dir and without.
  static let levels = (large: 2, usual: 1)

  init(_ name: FileName, in inode: Inode, _ blocks: VolumeBlocks) {
    self.inode = inode
    self.blocks = blocks
    self.name = name
    hasTypes = blocks.superblock.incompatible.contains(.fileType)
    let folds = inode.flags.contains(.casefold) && !inode.flags.contains(.encrypted)
    folded = folds ? FoldedName(name.bytes) : nil
  }

  /// An entry that was found.
  struct Found {
    let inode: UInt32
    /// The directory's block, or the piece of one that lies in its inode: 0 for the map's bytes, 1 for the rest.
    let block: UInt64
    /// Where the entry starts there, in bytes.
    let offset: Int
  }

  /// The inode of the entry; nil where there is none.
  func find() throws -> FileID? { try locate().map { FileID(UInt64($0.inode)) } }

  /// The entry; nil where there is none.
  func locate() throws -> Found? {
    guard 1...255 ~= name.bytes.count || inode.flags.contains(.encrypted) else { return nil }
    if inode.flags.contains(.inlineData) {
      for (number, part) in try DirectoryListing.inlineParts(inode, blocks).enumerated() {
        if let found = try find(in: part.bytes.raw, number: UInt64(number), at: inode.offset) { return found }
      }
      return nil
    }
    let directory = try Directory(inode, blocks)
    if directory.isIndexed, let hashed = hashedName {
      switch try indexed(directory, hashed) {
      case .found(let found): return found
      // Volumes that do not say which sort of `char` they were hashed with may have been made on another machine.
      case .absent: if blocks.superblock.flags & 3 != 0 { return nil }
      case .unusable: break
      }
    }
    var number: UInt64 = 0
    while number < directory.blockCount {
      let block = try directory.block(number)
      if let found = try find(in: block.bytes, number: number, at: block.offset) { return found }
      number += 1
    }
    return nil
  }

  /// The bytes that the index's hash is of; nil where they cannot be known for sure.
  private var hashedName: [UInt8]? {
    guard !inode.flags.contains(.encrypted) else { return nil }
    return inode.flags.contains(.casefold) ? folded?.ascii : name.bytes
  }

  private func find(in bytes: RawSpan, number: UInt64, at offset: UInt64) throws -> Found? {
    var block = DirectoryBlock(bytes, hasTypes: hasTypes)
    do throws(LayoutError) {
      while let entry = try block.next() {
        guard matches(entry, block) else { continue }
        return Found(inode: entry.inode, block: number, offset: entry.offset)
      }
    } catch { throw blocks.damaged(error, in: "directory \(inode.number)", at: offset) }
    return nil
  }

  private func matches(_ entry: DirectoryBlock.Entry, _ block: borrowing DirectoryBlock) -> Bool {
    if inode.flags.contains(.encrypted) { return EncryptedName.shown(block.name(entry)) == name.bytes }
    guard let folded else { return block.isNamed(entry, name.bytes.raw) }
    if block.isNamed(entry, name.bytes.raw) { return true }
    return folded.matches(block.bytes.slice(entry.nameOffset, entry.nameLength))
  }

  /// What an index says.
  private enum Answer {
    case found(Found), absent
    /// The index cannot be followed; the entries can.
    case unusable
  }

  /// Goes down the index, and on along its leaves while they hold names of the same hash.
  private func indexed(_ directory: Directory, _ hashed: [UInt8]) throws -> Answer {
    guard directory.blockCount > 0 else { return .absent }
    let root = try directory.block(0)
    let number: UInt8 = root.bytes.littleEndian(at: HTreeNode.Field.rootHash)
    let infoLength: UInt8 = root.bytes.littleEndian(at: HTreeNode.Field.rootInfoLength)
    let levels = Int(root.bytes.littleEndian(at: HTreeNode.Field.rootLevels, as: UInt8.self))
    let isLarge = blocks.superblock.incompatible.contains(.largeDirectories)
    guard infoLength == 8, levels <= (isLarge ? Self.levels.large : Self.levels.usual),
      let method = DirectoryHash(number: number, isUnsigned: blocks.superblock.flags & 2 != 0)
    else { return .unusable }
    let hash = method.hash(hashed, seed: blocks.superblock.hashSeed)
    var visits = directory.blockCount
    return try search(directory, root, at: HTreeNode.Field.rootEntries, levels: levels, hash, &visits)
  }

  /// Searches below a node of the index, `levels` levels above the leaves' parents; `visits` is how many more blocks a
  /// sound index can lead to.
  private func search(
    _ directory: Directory, _ block: MetadataBlock, at start: Int, levels: Int, _ hash: UInt32,
    _ visits: inout UInt64
  ) throws -> Answer {
    let node: HTreeNode
    do throws(LayoutError) { node = try HTreeNode(parsing: block.bytes, at: start) } catch { return .unusable }
    var index = node.entry(for: hash)
    while true {
      let number = node.block(index)
      guard number < directory.blockCount, visits > 0 else { return .unusable }
      visits -= 1
      let child = try directory.block(number)
      if levels > 0 {
        let answer = try search(directory, child, at: HTreeNode.Field.nodeEntries, levels: levels - 1, hash, &visits)
        guard case .absent = answer else { return answer }
      } else if let found = try find(in: child.bytes, number: number, at: child.offset) {
        return .found(found)
      }
      index += 1
      guard index < node.count, node.hash(index) & ~1 == hash else { return .absent }
    }
  }
}
