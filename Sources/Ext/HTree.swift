import Bytes

/// A node of a directory's index: hashes of names and the blocks of the directory from each on.
///
/// The root follows the entries `.` and `..` in the directory's first block; other nodes follow an unused entry that
/// spans the block.
struct HTreeNode: ~Escapable {
  /// Offsets in bytes: of the root's own fields, of the entries in either sort, of an entry's fields.
  enum Field {
    static let rootHash = 28
    static let rootInfoLength = 29
    static let rootLevels = 30
    static let rootUnusedFlags = 31
    static let rootEntries = 32
    static let nodeEntries = 8
    static let limit = 0
    static let count = 2
    static let hash = 0
    static let block = 4
  }

  static let entryByteCount = 8
  /// What a root says of the size of its own fields.
  static let rootInfoByteCount: UInt8 = 8

  private let bytes: RawSpan
  private let start: Int
  let count: Int
  let limit: Int

  /// Parses the entries at `start`.
  @_lifetime(copy bytes)
  init(parsing bytes: RawSpan, at start: Int) throws(LayoutError) {
    try bytes.require(start + Self.entryByteCount, of: "directory index")
    self.bytes = bytes
    self.start = start
    limit = Int(bytes.littleEndian(at: start + Field.limit, as: UInt16.self))
    count = Int(bytes.littleEndian(at: start + Field.count, as: UInt16.self))
    guard count >= 1, count <= limit, limit <= (bytes.byteCount - start) / Self.entryByteCount else {
      throw LayoutError("a node of the index has \(count) of \(limit) entries", at: start)
    }
  }

  /// Where the entries of a directory's block start that is a node of the index; nil for one that is not.
  static func entriesOffset(_ bytes: RawSpan, block: UInt64) -> Int? {
    if block == 0 { return Field.rootEntries }
    let length = DirectoryBlock.length(
      bytes.littleEndian(at: DirectoryBlock.Field.length), blockSize: bytes.byteCount)
    return length == bytes.byteCount ? Field.nodeEntries : nil
  }

  /// The smallest hash below an entry, 0 for the first.
  ///
  /// The lowest bit says that the block before ends with the same hash.
  func hash(_ index: Int) -> UInt32 {
    index == 0 ? 0 : bytes.littleEndian(at: start + index * Self.entryByteCount + Field.hash)
  }

  /// The directory's block that an entry stands for.
  func block(_ index: Int) -> UInt64 {
    UInt64(bytes.littleEndian(at: start + index * Self.entryByteCount + Field.block, as: UInt32.self) & 0x0fff_ffff)
  }

  /// The last entry whose hash is not above `hash`.
  func entry(for hash: UInt32) -> Int {
    var (low, high) = (1, count)
    while low < high {
      let middle = (low + high) / 2
      if self.hash(middle) <= hash { low = middle + 1 } else { high = middle }
    }
    return low - 1
  }

  /// Whether the checksum behind the entries is right.
  func isIntact(seed: UInt32) -> Bool {
    let tail = start + limit * Self.entryByteCount
    guard tail + 8 <= bytes.byteCount else { return false }
    var crc = CRC32C(register: seed)
    crc.update(bytes.slice(0, start + count * Self.entryByteCount))
    crc.update(bytes.slice(tail, 4))
    crc.update(littleEndian: UInt32(0))
    return crc.register == bytes.littleEndian(at: tail + 4, as: UInt32.self)
  }
}
