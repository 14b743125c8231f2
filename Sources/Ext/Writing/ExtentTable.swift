import Bytes

/// A node of an extent tree, to be changed at its end.
struct ExtentTable {
  private(set) var bytes: [UInt8]
  /// The block that holds it; nil for the root, which lies in the inode.
  let block: UInt64?

  /// A node's bytes, whose header was verified.
  init(_ bytes: [UInt8], block: UInt64?) {
    self.bytes = bytes
    self.block = block
  }

  /// A new node that fills a block.
  init(empty blockSize: Int, depth: Int, block: UInt64) {
    bytes = [UInt8](repeating: 0, count: blockSize)
    self.block = block
    bytes.store(ExtentNode.magic, at: ExtentNode.Field.magic)
    let limit = (blockSize - ExtentNode.Field.entries) / ExtentNode.entryByteCount
    bytes.store(UInt16(truncatingIfNeeded: limit), at: ExtentNode.Field.limit)
    self.depth = depth
  }

  /// A leaf's entry.
  struct Extent {
    let first: UInt64
    let count: UInt64
    let start: UInt64
    let isWritten: Bool
    var end: UInt64 { first + count }
  }

  private func word(_ offset: Int) -> Int { Int(bytes.raw.littleEndian(at: offset, as: UInt16.self)) }
  private func place(_ index: Int) -> Int { ExtentNode.Field.entries + index * ExtentNode.entryByteCount }

  private(set) var count: Int {
    get { word(ExtentNode.Field.count) }
    set { bytes.store(UInt16(truncatingIfNeeded: newValue), at: ExtentNode.Field.count) }
  }
  var depth: Int {
    get { word(ExtentNode.Field.depth) }
    set { bytes.store(UInt16(truncatingIfNeeded: newValue), at: ExtentNode.Field.depth) }
  }
  var limit: Int { word(ExtentNode.Field.limit) }
  var isFull: Bool { count >= limit }

  /// The first block of the file that an entry is about.
  func first(_ index: Int) -> UInt64 { UInt64(bytes.raw.littleEndian(at: place(index), as: UInt32.self)) }

  /// The block of the last node below; nil where there is none.
  var lastChild: UInt64? {
    guard count > 0 else { return nil }
    let place = place(count - 1)
    return UInt64(bytes.raw.littleEndian(at: place + ExtentNode.Field.childLow, as: UInt32.self))
      | UInt64(bytes.raw.littleEndian(at: place + ExtentNode.Field.childHigh, as: UInt16.self)) << 32
  }

  /// A leaf's last extent; nil where there is none.
  var last: Extent? {
    guard count > 0 else { return nil }
    let place = place(count - 1)
    let length: UInt16 = bytes.raw.littleEndian(at: place + ExtentNode.Field.length)
    let isWritten = length <= ExtentNode.longestWritten
    let start =
      UInt64(bytes.raw.littleEndian(at: place + ExtentNode.Field.startLow, as: UInt32.self))
      | UInt64(bytes.raw.littleEndian(at: place + ExtentNode.Field.startHigh, as: UInt16.self)) << 32
    return Extent(
      first: first(count - 1), count: UInt64(isWritten ? length : length - ExtentNode.longestWritten), start: start,
      isWritten: isWritten)
  }

  /// Changes the last extent's length.
  mutating func setLastCount(_ length: UInt64) {
    guard let last else { return }
    let stored = UInt16(truncatingIfNeeded: length) + (last.isWritten ? 0 : ExtentNode.longestWritten)
    bytes.store(stored, at: place(count - 1) + ExtentNode.Field.length)
  }

  /// Adds an extent of written blocks to a leaf that is not full.
  mutating func append(first: UInt64, start: UInt64, count length: UInt64) {
    let place = place(count)
    bytes.store(UInt32(truncatingIfNeeded: first), at: place + ExtentNode.Field.first)
    bytes.store(UInt16(truncatingIfNeeded: length), at: place + ExtentNode.Field.length)
    bytes.store(UInt32(truncatingIfNeeded: start), at: place + ExtentNode.Field.startLow)
    bytes.store(UInt16(truncatingIfNeeded: start >> 32), at: place + ExtentNode.Field.startHigh)
    count += 1
  }

  /// Adds a node below to one that is not full.
  mutating func append(first: UInt64, child: UInt64) {
    let place = place(count)
    bytes.store(UInt32(truncatingIfNeeded: first), at: place + ExtentNode.Field.first)
    bytes.store(UInt32(truncatingIfNeeded: child), at: place + ExtentNode.Field.childLow)
    bytes.store(UInt16(truncatingIfNeeded: child >> 32), at: place + ExtentNode.Field.childHigh)
    bytes.store(UInt16(0), at: place + ExtentNode.Field.childHigh + 2)
    count += 1
  }

  /// Removes the last entry.
  mutating func removeLast() {
    guard count > 0 else { return }
    let place = place(count - 1)
    for offset in place..<(place + ExtentNode.entryByteCount) { bytes[offset] = 0 }
    count -= 1
  }

  /// Takes over another node's entries and depth; they must fit.
  mutating func adopt(_ other: ExtentTable) {
    for offset in ExtentNode.Field.entries..<place(limit) { bytes[offset] = 0 }
    let taken = ExtentNode.Field.entries..<place(other.count)
    bytes.replaceSubrange(taken, with: other.bytes[taken])
    count = other.count
    depth = other.depth
  }

  /// Removes all entries.
  mutating func removeAll() {
    for offset in ExtentNode.Field.entries..<place(limit) { bytes[offset] = 0 }
    count = 0
  }

  /// Makes the checksum of a node that fills a block.
  mutating func seal(seed: UInt32) {
    let place = place(limit)
    guard place + 4 <= bytes.count else { return }
    var crc = CRC32C(register: seed)
    crc.update(bytes.raw.slice(0, place))
    bytes.store(crc.register, at: place)
  }
}
