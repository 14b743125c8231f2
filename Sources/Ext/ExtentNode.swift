import Bytes

/// A node of an extent tree: a header of 12 bytes and entries of 12 bytes, in the inode or filling a block.
struct ExtentNode: ~Escapable {
  /// Offsets of the fields in bytes: the header's, then those of an entry.
  enum Field {
    static let magic = 0
    static let count = 2
    static let limit = 4
    static let depth = 6
    static let entries = 12
    static let first = 0
    static let length = 4
    static let startHigh = 6
    static let startLow = 8
    static let childLow = 4
    static let childHigh = 8
  }

  static let magic: UInt16 = 0xf30a
  static let entryByteCount = 12
  /// Levels below the root, at most.
  static let maximumDepth = 5
  /// Lengths above this many blocks stand for so much less, not written yet.
  static let longestWritten: UInt16 = 32768

  private let bytes: RawSpan
  let count: Int
  let limit: Int
  let depth: Int

  /// Parses the header; entries are checked by `check`.
  @_lifetime(copy bytes)
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(Field.entries, of: "extent tree's node")
    guard bytes.littleEndian(at: Field.magic) == Self.magic else {
      throw LayoutError("an extent tree's node has no magic number")
    }
    count = Int(bytes.littleEndian(at: Field.count, as: UInt16.self))
    limit = Int(bytes.littleEndian(at: Field.limit, as: UInt16.self))
    depth = Int(bytes.littleEndian(at: Field.depth, as: UInt16.self))
    guard count <= limit, limit <= (bytes.byteCount - Field.entries) / Self.entryByteCount else {
      throw LayoutError("an extent tree's node has \(count) of \(limit) entries", at: Field.count)
    }
    guard depth <= Self.maximumDepth else {
      throw LayoutError("an extent tree has \(depth) levels", at: Field.depth)
    }
    self.bytes = bytes
  }

  /// Where a block's checksum lies, in bytes.
  var checksumOffset: Int { Field.entries + limit * Self.entryByteCount }

  /// Throws unless the entries ascend without overlap.
  func check() throws(LayoutError) {
    var end: UInt64 = 0
    guard depth == 0 || count > 0 else { throw LayoutError("an extent tree's index is empty", at: Field.count) }
    for index in 0..<count {
      let first = first(index)
      guard first >= end else {
        throw LayoutError("entry \(index) of an extent tree's node overlaps the one before", at: place(index))
      }
      guard depth == 0 else {
        end = first + 1
        continue
      }
      let length = extent(index).count
      guard length > 0 else { throw LayoutError("an extent has no blocks", at: place(index) + Field.length) }
      end = first + length
    }
    guard end <= 1 << 32 else { throw LayoutError("an extent ends past the largest block of a file") }
  }

  private func place(_ index: Int) -> Int { Field.entries + index * Self.entryByteCount }

  /// The first block of the file that an entry is about.
  func first(_ index: Int) -> UInt64 {
    UInt64(bytes.littleEndian(at: place(index) + Field.first, as: UInt32.self))
  }

  /// The block of the node below.
  func child(_ index: Int) -> UInt64 {
    UInt64(bytes.littleEndian(at: place(index) + Field.childLow, as: UInt32.self))
      | UInt64(bytes.littleEndian(at: place(index) + Field.childHigh, as: UInt16.self)) << 32
  }

  /// A leaf's extent: how many blocks, from where, and whether they were written.
  func extent(_ index: Int) -> (count: UInt64, start: UInt64, isWritten: Bool) {
    let place = place(index)
    let length: UInt16 = bytes.littleEndian(at: place + Field.length)
    let isWritten = length <= Self.longestWritten
    let start =
      UInt64(bytes.littleEndian(at: place + Field.startLow, as: UInt32.self))
      | UInt64(bytes.littleEndian(at: place + Field.startHigh, as: UInt16.self)) << 32
    return (UInt64(isWritten ? length : length - Self.longestWritten), start, isWritten)
  }

  /// The last entry that starts at or before `block`; nil where all start behind it.
  func entry(for block: UInt64) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if first(middle) <= block { low = middle + 1 } else { high = middle }
    }
    return low == 0 ? nil : low - 1
  }
}
