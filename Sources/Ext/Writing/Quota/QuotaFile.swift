import BlockIO
import Bytes
import Filesystems

/// A quota file of the format vfsv1: blocks of 1 KiB that are a tree over 32-bit numbers, and records of 72 bytes.
struct QuotaFile {
  private let changes: Changes
  private var record: InodeRecord
  /// The tree's header: counts and heads of lists.
  private var info: [UInt8]

  private static let blockSize = 1024
  /// The block that is the tree's root.
  private static let root: UInt32 = 1
  private static let depth = 4
  private static let headByteCount = 16
  private static let recordByteCount = 72
  private static let recordsPerBlock = (blockSize - headByteCount) / recordByteCount

  /// Offsets in the file's first block.
  private enum Field {
    static let magic = 0
    static let version = 4
    static let blockCount = 20
    static let freeBlock = 24
    static let freeRecord = 28
  }

  /// Offsets in a block of records, and in a record.
  private enum Place {
    static let next = 0
    static let previous = 4
    static let count = 8
    static let number = 0
    static let inodes = 24
    static let bytes = 48
    static let inodeTime = 64
  }

  /// Opens a volume's quota file.
  init(_ kind: QuotaKind, _ changes: Changes) throws {
    self.changes = changes
    record = try changes.record(UInt64(changes.quotaInode(kind)))
    info = []
    info = try block(0)
    guard info.raw.littleEndian(at: Field.magic) == kind.magic, info.raw.littleEndian(at: Field.version) == UInt32(1)
    else {
      throw ImageError(
        .unsupported, format: changes.blocks.type,
        "the quota file in inode \(record.number) has a form that is not known")
    }
  }

  private func damaged() -> ImageError {
    changes.blocks.damaged("the quota file in inode \(record.number) is damaged; run e2fsck")
  }

  // MARK: - Blocks

  /// Where a block of the file lies: the volume's block, and the place in it.
  private func place(of number: UInt32) throws -> (block: UInt64, offset: Int)? {
    let position = UInt64(number) * UInt64(Self.blockSize)
    let map = try BlockMap(of: changes.blocks.inode(UInt64(record.number)), changes.blocks)
    let size = UInt64(changes.blockSize)
    guard position / size < map.limit, case .data(let start) = try map.run(at: position / size).contents else {
      return nil
    }
    return (start, Int(position % size))
  }

  private func block(_ number: UInt32) throws -> [UInt8] {
    guard let place = try place(of: number) else { throw damaged() }
    let held = try changes.blocks.block(place.block, for: "the quota file in inode \(record.number)")
    return held.bytes.slice(place.offset, Self.blockSize).array
  }

  private func write(_ bytes: [UInt8], to number: UInt32) throws {
    guard let place = try place(of: number) else { throw damaged() }
    try changes.edit(place.block) { $0.copy(bytes.raw, at: place.offset) }
    changes.mark(place.block, .maps)
  }

  private func word(_ offset: Int, of bytes: [UInt8]) -> UInt32 { bytes.raw.littleEndian(at: offset) }

  /// Takes a block that was given back, or one behind the end.
  private mutating func newBlock() throws -> UInt32 {
    let empty = [UInt8](repeating: 0, count: Self.blockSize)
    let given = word(Field.freeBlock, of: info)
    if given != 0 {
      info.store(word(Place.next, of: try block(given)), at: Field.freeBlock)
      try write(empty, to: given)
      return given
    }
    let number = word(Field.blockCount, of: info)
    let end = (UInt64(number) + 1) * UInt64(Self.blockSize)
    if try place(of: number) == nil {
      var map = MapEditor(record, changes)
      for run in try map.grow(from: (end - 1) / UInt64(changes.blockSize), count: 1) {
        try changes.make(run.lowerBound) { _ in }
      }
      record = map.record
    }
    record.size = max(record.size, end)
    try changes.write(record)
    try write(empty, to: number)
    info.store(number + 1, at: Field.blockCount)
    return number
  }

  // MARK: - Records

  /// Adds to what a number uses.
  mutating func add(_ gain: QuotaGain, to number: UInt32) throws {
    let leaf = try find(number) ?? insert(number)
    var bytes = try block(leaf)
    guard let place = slot(of: number, in: bytes) else { throw damaged() }
    for (offset, difference) in [(Place.inodes, gain.inodes), (Place.bytes, gain.bytes)] {
      let before: Int64 = bytes.raw.littleEndian(at: place + offset)
      bytes.store(max(before &+ difference, 0), at: place + offset)
    }
    keepInUse(&bytes, place)
    try write(bytes, to: leaf)
  }

  /// Writes the header.
  func finish() throws { try write(info, to: 0) }

  /// A record of zeroes alone would count as unused.
  private func keepInUse(_ bytes: inout [UInt8], _ place: Int) {
    if bytes.raw.slice(place, Self.recordByteCount).isAllZero { bytes.store(UInt64(1), at: place + Place.inodeTime) }
  }

  private func index(_ number: UInt32, _ level: Int) -> Int {
    Int(number >> UInt32(8 * (Self.depth - 1 - level)) & 0xff) * 4
  }

  /// The block with a number's record; nil where it has none.
  private func find(_ number: UInt32) throws -> UInt32? {
    var place = Self.root
    for level in 0..<Self.depth {
      place = word(index(number, level), of: try block(place))
      if place == 0 { return nil }
    }
    return place
  }

  /// Where a number's record starts in a block of records.
  private func slot(of number: UInt32, in bytes: [UInt8]) -> Int? {
    places.first { word($0 + Place.number, of: bytes) == number && !isUnused(bytes, $0) }
  }

  private var places: [Int] { (0..<Self.recordsPerBlock).map { Self.headByteCount + $0 * Self.recordByteCount } }

  private func isUnused(_ bytes: [UInt8], _ place: Int) -> Bool {
    bytes.raw.slice(place, Self.recordByteCount).isAllZero
  }

  /// Makes a record for a number and returns its block.
  private mutating func insert(_ number: UInt32) throws -> UInt32 {
    var leaf = word(Field.freeRecord, of: info)
    if leaf == 0 {
      leaf = try newBlock()
      info.store(leaf, at: Field.freeRecord)
    }
    var bytes = try block(leaf)
    guard let place = places.first(where: { isUnused(bytes, $0) }) else { throw damaged() }
    let count: UInt16 = bytes.raw.littleEndian(at: Place.count)
    bytes.store(count + 1, at: Place.count)
    bytes.store(number, at: place + Place.number)
    keepInUse(&bytes, place)
    if Int(count) + 1 >= Self.recordsPerBlock { try takeOffList(&bytes) }
    try write(bytes, to: leaf)
    try link(number, to: leaf)
    return leaf
  }

  /// Takes a full block, the first of its list, off the list of those with room.
  private mutating func takeOffList(_ bytes: inout [UInt8]) throws {
    let next = word(Place.next, of: bytes)
    info.store(next, at: Field.freeRecord)
    if next != 0 {
      var behind = try block(next)
      behind.store(UInt32(0), at: Place.previous)
      try write(behind, to: next)
    }
    bytes.store(UInt32(0), at: Place.next)
    bytes.store(UInt32(0), at: Place.previous)
  }

  /// Leads from the root to a block of records.
  private mutating func link(_ number: UInt32, to leaf: UInt32) throws {
    var place = Self.root
    for level in 0..<Self.depth {
      var node = try block(place)
      let index = index(number, level)
      var next = word(index, of: node)
      if next == 0 || level == Self.depth - 1 {
        next = level == Self.depth - 1 ? leaf : try newBlock()
        node.store(next, at: index)
        try write(node, to: place)
      }
      place = next
    }
  }
}
