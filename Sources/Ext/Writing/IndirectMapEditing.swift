import BlockIO
import Bytes
import Filesystems

/// Lists of block numbers of 32 bits, in the inode and in blocks.
extension MapEditor {
  private var pointers: UInt64 { UInt64(changes.blockSize / 4) }

  /// Maps the file's blocks from `first` on, which have no places yet.
  mutating func appendToLists(first: UInt64, _ run: Range<UInt64>) throws {
    guard run.upperBound <= 1 << 32 else {
      throw FileError(.unsupported("the free blocks lie past what lists of blocks can name"), "inode \(record.number)")
    }
    guard unit == 1 else {
      throw FileError(
        .unsupported("files without extents cannot grow on a volume with clusters"), "inode \(record.number)")
    }
    var done: UInt64 = 0
    while done < UInt64(run.count) {
      let start = run.lowerBound + done
      let left = UInt64(run.count) - done
      done += try appendToList(first: first + done, start: start, count: left)
    }
  }

  /// Maps as many of `count` blocks as one list takes, and returns how many.
  private mutating func appendToList(first: UInt64, start: UInt64, count: UInt64) throws -> UInt64 {
    guard first >= BlockMap.directCount else {
      let length = min(count, BlockMap.directCount - first)
      for step in 0..<length {
        record.store(UInt32(truncatingIfNeeded: start + step), at: Inode.Field.map + 4 * Int(first + step))
      }
      return length
    }
    var index = first - BlockMap.directCount
    var level = 1
    var span = pointers
    while index >= span, level < 3 {
      index -= span
      level += 1
      span *= pointers
    }
    var list = try listInInode(level)
    while span > pointers {
      span /= pointers
      list = try self.list(in: list, at: Int(index / span))
      index %= span
    }
    let length = min(count, pointers - index)
    try changes.edit(list) { bytes in
      for step in 0..<length {
        bytes.store(littleEndian: UInt32(truncatingIfNeeded: start + step), at: 4 * Int(index + step))
      }
    }
    return length
  }

  /// The list of a level that the inode names, made if it is not there.
  private mutating func listInInode(_ level: Int) throws -> UInt64 {
    let place = Inode.Field.map + 4 * (Int(BlockMap.directCount) + level - 1)
    let number: UInt32 = record.load(place)
    guard number == 0 else { return UInt64(number) }
    let block = try newList()
    record.store(UInt32(truncatingIfNeeded: block), at: place)
    return block
  }

  /// The list that the list in `block` names at `index`, made if it is not there.
  private mutating func list(in block: UInt64, at index: Int) throws -> UInt64 {
    let list = try changes.blocks.block(block, for: "a list of blocks of inode \(record.number)")
    let number: UInt32 = list.bytes.littleEndian(at: 4 * index)
    guard number == 0 else { return UInt64(number) }
    let new = try newList()
    try changes.edit(block) { $0.store(littleEndian: UInt32(truncatingIfNeeded: new), at: 4 * index) }
    return new
  }

  private mutating func newList() throws -> UInt64 {
    let block = try allocateForMap()
    guard block < 1 << 32 else {
      throw FileError(.unsupported("the free blocks lie past what lists of blocks can name"), "inode \(record.number)")
    }
    try changes.make(block) { _ in }
    return block
  }

  /// Frees blocks from the end back to `block`, until `most` blocks are staged; returns whether all are free.
  mutating func cutLists(from block: UInt64, staging most: Int) throws -> Bool {
    guard unit == 1 else {
      throw FileError(
        .unsupported("files without extents cannot be cut on a volume with clusters"), "inode \(record.number)")
    }
    for level in [3, 2, 1] {
      let spans = (0...level).map { power(pointers, $0) }
      let base = BlockMap.directCount + spans[1..<level].reduce(0, +)
      let place = Inode.Field.map + 4 * (Int(BlockMap.directCount) + level - 1)
      let number: UInt32 = record.load(place)
      guard number != 0, base + spans[level] > block else { continue }
      let isDone = try cutList(UInt64(number), level, base: base, from: block, staging: most)
      guard isDone else { return false }
      if base >= block { record.store(UInt32(0), at: place) }
    }
    let places = (Int(min(block, BlockMap.directCount))..<Int(BlockMap.directCount)).map { Inode.Field.map + 4 * $0 }
    try freeNumbers(places.map { record.load($0, as: UInt32.self) })
    for place in places { record.store(UInt32(0), at: place) }
    return true
  }

  private func power(_ base: UInt64, _ exponent: Int) -> UInt64 {
    (0..<exponent).reduce(1) { value, _ in value * base }
  }

  /// Frees what a list, whose first block of the file is `base`, names from `block` on, and the list itself if nothing
  /// of it stays; returns whether all is free.
  private mutating func cutList(
    _ list: UInt64, _ level: Int, base: UInt64, from block: UInt64, staging most: Int
  ) throws -> Bool {
    let name = "a list of blocks of inode \(record.number)"
    let held = try changes.blocks.block(list, for: name)
    let span = power(pointers, level - 1)
    let first = block > base ? (block - base) / span : 0
    var cleared = Int(pointers)
    var isDone = true
    if level == 1 {
      try freeNumbers((first..<pointers).map { held.bytes.littleEndian(at: 4 * Int($0), as: UInt32.self) })
      cleared = Int(first)
    }
    for index in (first..<pointers).reversed() where level > 1 && isDone {
      let start = base + index * span
      let number: UInt32 = held.bytes.littleEndian(at: 4 * Int(index))
      if number != 0 {
        isDone = changes.staged.stagedCount <= most
        if isDone { isDone = try cutList(UInt64(number), level - 1, base: start, from: block, staging: most) }
      }
      if isDone, start >= block { cleared = Int(index) }
    }
    if isDone, base >= block {
      try freeOfMap(list)
    } else if cleared < Int(pointers) {
      let end = Int(pointers)
      try changes.edit(list) { bytes in
        for index in cleared..<end { bytes.store(littleEndian: UInt32(0), at: 4 * index) }
      }
    }
    return isDone
  }

  /// Frees blocks, neighbours together; zeroes are passed over.
  private mutating func freeNumbers(_ numbers: [UInt32]) throws {
    var run: Range<UInt64>?
    for number in numbers where number != 0 {
      let number = UInt64(number)
      if let before = run, before.upperBound == number {
        run = before.lowerBound..<(number + 1)
        continue
      }
      if let run { try freeContents(run) }
      run = number..<(number + 1)
    }
    if let run { try freeContents(run) }
  }
}
