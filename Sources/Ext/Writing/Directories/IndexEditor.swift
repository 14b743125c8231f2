import BlockIO
import Bytes
import Filesystems

/// Adds entries to a directory with an index (an htree), whose leaves and nodes it splits as they fill.
struct IndexEditor {
  /// A node on the way to a leaf.
  private struct Step {
    var node: IndexNode
    /// The volume's block that holds it.
    let place: UInt64
    /// Which entry leads on.
    let index: Int
  }

  private let blocks: DirectoryBlocks
  private let inode: Inode

  /// Edits the directory in `inode`, which has an index.
  init(_ inode: Inode, _ changes: Changes) {
    self.inode = inode
    blocks = DirectoryBlocks(inode, changes)
  }

  private var superblock: Superblock { blocks.superblock }

  private func damaged(_ detail: String) -> ImageError {
    blocks.changes.blocks.damaged(
      "the index of directory \(inode.number) is damaged: \(detail); run e2fsck -fD before it is changed",
      at: inode.offset)
  }

  /// Throws where the index cannot be followed to the leaf of `name`.
  func check(for name: [UInt8]) throws {
    let directory = try blocks.directory()
    let (_, hashing) = try root(of: directory)
    if let hash = hashing.hash(name) { _ = try descend(directory, hash) }
  }

  /// Adds an entry, whose name is not there yet.
  func insert(_ content: EntryBlock.Content) throws {
    let directory = try blocks.directory()
    let (_, hashing) = try root(of: directory)
    let hash = try hash(of: content.name, hashing)
    var (path, leaf) = try descend(directory, hash)
    var (block, place) = try entries(of: directory, leaf)
    if try insert(content, into: &block, at: place) { return try blocks.put(block, at: place, .added) }
    // A level more at most, and a split on each.
    for _ in 0...2 * DirectoryLookup.levels.large + 1 {
      guard path.last?.node.isFull ?? false else { break }
      try makeRoom(path)
      (path, leaf) = try descend(blocks.directory(), hash)
    }
    guard var parent = path.last, !parent.node.isFull else {
      throw FileError(.directoryFull, "directory \(inode.number)")
    }
    let halves = try split(block, hashing, at: place)
    var lower = blocks.block(of: halves.lower)
    var upper = blocks.block(of: halves.upper)
    let isUpper = hash >= halves.hash
    let isDone =
      isUpper ? try insert(content, into: &upper, at: place) : try insert(content, into: &lower, at: place)
    guard isDone else { throw damaged("half a leaf has no room for a name of \(content.name.count) bytes") }
    let new = try blocks.grow()
    try blocks.put(upper, at: new.place, .fresh)
    try blocks.put(lower, at: place, .moved)
    let entry = IndexNode.Entry(hash: halves.hash | (halves.isContinued ? 1 : 0), block: UInt32(new.number))
    parent.node.entries.insert(entry, at: parent.index + 1)
    try blocks.put(parent.node, at: parent.place, .moved)
  }

  /// Gives a directory of one block an index; false where the hash of one of its names cannot be known.
  func makeIndex() throws -> Bool {
    let directory = try blocks.directory()
    let (block, place) = try entries(of: directory, 0)
    guard let hashing = NameHash(ofNewIndexIn: inode, superblock) else { return false }
    let all: [EntryBlock.Entry]
    do throws(LayoutError) { all = try block.entries() } catch { throw blocks.damaged(error, at: place) }
    guard all.count >= 2, all[0].inode != 0, all[1].inode != 0, all[0].length == 12,
      block.content(all[0]).name == FileName.current.bytes, block.content(all[1]).name == FileName.parent.bytes
    else {
      throw blocks.changes.blocks.damaged(
        "directory \(inode.number) does not begin with its own and its parent's entry", at: inode.offset)
    }
    let contents = all.dropFirst(2).filter { $0.inode != 0 }.map(block.content)
    guard contents.count > 1, contents.allSatisfy({ hashing.hash($0.name) != nil }) else { return false }
    let halves = try split(contents, hashing)
    let (first, second) = (try blocks.grow(), try blocks.grow())
    try blocks.put(blocks.block(of: halves.lower), at: first.place, .fresh)
    try blocks.put(blocks.block(of: halves.upper), at: second.place, .fresh)
    let dots = EntryBlock(
      laying: all.prefix(2).map(block.content), byteCount: superblock.blockSize, hasTail: false,
      hasTypes: blocks.hasTypes)
    let entries = [
      IndexNode.Entry(hash: 0, block: UInt32(first.number)),
      IndexNode.Entry(hash: halves.hash | (halves.isContinued ? 1 : 0), block: UInt32(second.number)),
    ]
    let root = IndexNode(root: dots.bytes, hash: hashing.number, entries, hasChecksum: blocks.hasChecksums)
    try blocks.put(root, at: place, .moved)
    try blocks.setIndexed(true)
    return true
  }

  // MARK: - The way to a leaf

  private func hash(of name: [UInt8], _ hashing: NameHash) throws -> UInt32 {
    guard let hash = hashing.hash(name) else {
      throw FileError(
        .unsupported(
          "directory \(inode.number) has an index and takes upper and lower case for one, and how the kernel folds "
            + "a name that is not ASCII is not known for sure"), FileName(name).description)
    }
    return hash
  }

  private func entries(of directory: Directory, _ number: UInt64) throws -> (block: EntryBlock, place: UInt64) {
    try blocks.entries(of: directory, number)
  }

  private func insert(_ content: EntryBlock.Content, into block: inout EntryBlock, at place: UInt64) throws -> Bool {
    do throws(LayoutError) { return try block.insert(content) } catch {
      throw blocks.damaged(error, at: place << UInt64(superblock.blockBits))
    }
  }

  /// The root's number of levels and its hash, once all its fields are as the kernel demands.
  private func root(of directory: Directory) throws -> (levels: Int, hashing: NameHash) {
    guard directory.blockCount > 1 else { throw damaged("it has no leaves") }
    let block = try directory.block(0)
    let bytes = block.bytes
    let most =
      superblock.incompatible.contains(.largeDirectories)
      ? DirectoryLookup.levels.large : DirectoryLookup.levels.usual
    let levels = Int(bytes.littleEndian(at: HTreeNode.Field.rootLevels, as: UInt8.self))
    let second = DirectoryBlock.length(
      bytes.littleEndian(at: 12 + DirectoryBlock.Field.length), blockSize: bytes.byteCount)
    guard bytes.littleEndian(at: DirectoryBlock.Field.length, as: UInt16.self) == 12,
      second == bytes.byteCount - 12,
      bytes.littleEndian(at: HTreeNode.Field.rootInfoLength) == HTreeNode.rootInfoByteCount,
      bytes.littleEndian(at: HTreeNode.Field.rootUnusedFlags, as: UInt8.self) & 1 == 0, levels <= most
    else { throw damaged("its root is not as it should be") }
    let number: UInt8 = bytes.littleEndian(at: HTreeNode.Field.rootHash)
    guard let hashing = NameHash(number: number, of: inode, superblock) else {
      throw damaged("the hash \(number) is not known")
    }
    return (levels, hashing)
  }

  /// The nodes on the way to the first leaf that may hold names of `hash`, the root first, and that leaf.
  private func descend(_ directory: Directory, _ hash: UInt32) throws -> (path: [Step], leaf: UInt64) {
    let (levels, _) = try root(of: directory)
    var path: [Step] = []
    var number: UInt64 = 0
    for level in 0...levels {
      let block = try directory.block(number)
      let start = level == 0 ? HTreeNode.Field.rootEntries : HTreeNode.Field.nodeEntries
      guard level == 0 || HTreeNode.entriesOffset(block.bytes, block: number) == start else {
        throw damaged("block \(number) is not a node")
      }
      let node: IndexNode
      do throws(LayoutError) {
        node = try IndexNode(parsing: block.bytes.array, at: start, hasChecksum: blocks.hasChecksums)
      } catch { throw damaged("\(error.detail) (block \(number))") }
      let index = node.entry(for: hash)
      path.append(Step(node: node, place: block.offset >> UInt64(superblock.blockBits), index: index))
      number = UInt64(node.entries[index].block)
      guard number > 0, number < directory.blockCount else { throw damaged("it leads to block \(number)") }
    }
    return (path, number)
  }

  // MARK: - Splitting

  /// Splits the lowest full node whose parent has room, or puts a level between a full root and what is below it.
  private func makeRoom(_ path: [Step]) throws {
    var depth = path.count - 1
    while depth > 0, path[depth - 1].node.isFull { depth -= 1 }
    guard depth > 0 else { return try addLevel(path) }
    var (node, parent) = (path[depth], path[depth - 1])
    let upper = node.node.takeUpperHalf()
    let new = try blocks.grow()
    let other = IndexNode(upper, blockSize: superblock.blockSize, hasChecksum: blocks.hasChecksums)
    try blocks.put(other, at: new.place, .fresh)
    try blocks.put(node.node, at: node.place, .moved)
    parent.node.entries.insert(IndexNode.Entry(hash: upper[0].hash, block: UInt32(new.number)), at: parent.index + 1)
    try blocks.put(parent.node, at: parent.place, .moved)
  }

  private func addLevel(_ path: [Step]) throws {
    let most =
      superblock.incompatible.contains(.largeDirectories)
      ? DirectoryLookup.levels.large : DirectoryLookup.levels.usual
    guard var root = path.first, path.count - 1 < most else {
      throw FileError(.directoryFull, "directory \(inode.number)")
    }
    let new = try blocks.grow()
    let node = IndexNode(root.node.entries, blockSize: superblock.blockSize, hasChecksum: blocks.hasChecksums)
    try blocks.put(node, at: new.place, .fresh)
    root.node.entries = [IndexNode.Entry(hash: 0, block: UInt32(new.number))]
    root.node.setLevels(path.count)
    try blocks.put(root.node, at: root.place, .moved)
  }

  /// Two halves of a leaf's entries by their hashes.
  private struct Halves {
    let lower: [EntryBlock.Content]
    let upper: [EntryBlock.Content]
    /// The smallest hash of the upper half.
    let hash: UInt32
    /// Whether the lower half ends with that hash too.
    let isContinued: Bool
  }

  private func split(_ block: EntryBlock, _ hashing: NameHash, at place: UInt64) throws -> Halves {
    let all: [EntryBlock.Entry]
    do throws(LayoutError) { all = try block.entries() } catch {
      throw blocks.damaged(error, at: place << UInt64(superblock.blockBits))
    }
    return try split(all.filter { $0.inode != 0 }.map(block.content), hashing)
  }

  /// Splits where half a block is full, or in the middle where all entries together do not fill half of one.
  private func split(_ contents: [EntryBlock.Content], _ hashing: NameHash) throws -> Halves {
    var hashed: [(hash: UInt32, content: EntryBlock.Content)] = []
    for content in contents { hashed.append((try hash(of: content.name, hashing), content)) }
    guard hashed.count > 1 else { throw damaged("a leaf of \(hashed.count) entries is full") }
    hashed.sort { $0.hash < $1.hash }
    var (index, size) = (hashed.count, 0)
    while index > 0, size + hashed[index - 1].content.byteCount / 2 <= superblock.blockSize / 2 {
      index -= 1
      size += hashed[index].content.byteCount
    }
    if index == 0 || index == hashed.count { index = hashed.count / 2 }
    return Halves(
      lower: hashed[..<index].map(\.content), upper: hashed[index...].map(\.content), hash: hashed[index].hash,
      isContinued: hashed[index - 1].hash == hashed[index].hash)
  }
}
