import Bytes
import Filesystems

/// A node of a directory's index, the root included, whose entries are changed.
struct IndexNode {
  /// The smallest hash below an entry (0 for the first), and the directory's block that it leads to.
  struct Entry {
    var hash: UInt32
    var block: UInt32
  }

  private(set) var bytes: [UInt8]
  private let start: Int
  private let limit: Int
  private let hasChecksum: Bool
  var entries: [Entry]

  /// Size of the checksum behind a node's entries in bytes.
  private static let tailByteCount = 8

  /// Parses the node in `bytes`, whose entries start at `start`; throws where it is not as the kernel demands.
  init(parsing bytes: [UInt8], at start: Int, hasChecksum: Bool) throws(LayoutError) {
    self.bytes = bytes
    self.start = start
    self.hasChecksum = hasChecksum
    let node = try HTreeNode(parsing: bytes.raw, at: start)
    limit = Self.limit(blockSize: bytes.count, from: start, hasChecksum: hasChecksum)
    guard node.limit == limit else {
      throw LayoutError("a node of the index says to have room for \(node.limit) entries, not \(limit)", at: start)
    }
    entries = (0..<node.count).map { Entry(hash: node.hash($0), block: UInt32(node.block($0))) }
  }

  /// A new node, below the root, of a block of `blockSize` bytes.
  init(_ entries: [Entry], blockSize: Int, hasChecksum: Bool) {
    bytes = [UInt8](repeating: 0, count: blockSize)
    bytes.put(
      littleEndian: EntryBlock.stored(blockSize, blockSize: blockSize), at: DirectoryBlock.Field.length)
    start = HTreeNode.Field.nodeEntries
    self.entries = entries
    self.hasChecksum = hasChecksum
    limit = Self.limit(blockSize: blockSize, from: start, hasChecksum: hasChecksum)
  }

  /// A new root of an index without levels below it, in `block`, which holds `.` and `..` and nothing else.
  init(root block: [UInt8], hash: UInt8, _ entries: [Entry], hasChecksum: Bool) {
    bytes = block
    start = HTreeNode.Field.rootEntries
    for index in (start - 8)..<bytes.count { bytes[index] = 0 }
    bytes[HTreeNode.Field.rootHash] = hash
    bytes[HTreeNode.Field.rootInfoLength] = HTreeNode.rootInfoByteCount
    self.entries = entries
    self.hasChecksum = hasChecksum
    limit = Self.limit(blockSize: bytes.count, from: start, hasChecksum: hasChecksum)
  }

  private static func limit(blockSize: Int, from start: Int, hasChecksum: Bool) -> Int {
    (blockSize - start - (hasChecksum ? tailByteCount : 0)) / HTreeNode.entryByteCount
  }

  /// The last entry whose hash is not above `hash`.
  func entry(for hash: UInt32) -> Int {
    var (low, high) = (1, entries.count)
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].hash <= hash { low = middle + 1 } else { high = middle }
    }
    return low - 1
  }

  var isFull: Bool { entries.count >= limit }

  /// Sets how many levels there are between this root and the leaves' parents.
  mutating func setLevels(_ levels: Int) { bytes[HTreeNode.Field.rootLevels] = UInt8(truncatingIfNeeded: levels) }

  /// Takes the upper half of the entries away and returns it.
  mutating func takeUpperHalf() -> [Entry] {
    let upper = Array(entries[(entries.count / 2)...])
    entries.removeSubrange((entries.count / 2)...)
    return upper
  }

  /// Writes the entries, at most as many as fit, and the checksum, from the seed of the directory's inode, into `bytes`.
  mutating func seal(seed: UInt32) {
    for (index, entry) in entries.enumerated() {
      let place = start + index * HTreeNode.entryByteCount
      bytes.put(littleEndian: entry.hash, at: place + HTreeNode.Field.hash)
      bytes.put(littleEndian: entry.block, at: place + HTreeNode.Field.block)
    }
    for index in (start + entries.count * HTreeNode.entryByteCount)..<bytes.count { bytes[index] = 0 }
    bytes.put(littleEndian: UInt16(limit), at: start + HTreeNode.Field.limit)
    bytes.put(littleEndian: UInt16(entries.count), at: start + HTreeNode.Field.count)
    guard hasChecksum else { return }
    let tail = start + limit * HTreeNode.entryByteCount
    var crc = CRC32C(register: seed)
    crc.update(bytes.raw.slice(0, start + entries.count * HTreeNode.entryByteCount))
    crc.update(littleEndian: UInt64(0))
    bytes.put(littleEndian: crc.register, at: tail + 4)
  }
}
