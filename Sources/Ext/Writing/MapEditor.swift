import BlockIO
import Bytes
import Filesystems

/// Changes which blocks a file has, from its end: lets it grow behind its last block, and cuts it.
///
/// The caller writes `record` afterwards.
struct MapEditor {
  var record: InodeRecord
  let changes: Changes
  /// Where new blocks lie best.
  var goal: UInt64
  /// A cluster that is freed unless an extent before uses it too; its first block.
  var carried: UInt64?

  init(_ record: InodeRecord, _ changes: Changes) {
    self.record = record
    self.changes = changes
    let group = (UInt64(record.number) - 1) / UInt64(changes.superblock.inodesPerGroup)
    goal = changes.blocks.layout.firstBlock(of: group)
  }

  var hasExtents: Bool { record.flags.contains(.extents) }
  /// Blocks in a cluster.
  var unit: UInt64 { changes.superblock.blocksPerCluster }

  /// Blocks that the map can name.
  var limit: UInt64 {
    if hasExtents { return UInt64(UInt32.max) }
    let pointers = UInt64(changes.blockSize / 4)
    return min(BlockMap.directCount + pointers + pointers * pointers + pointers * pointers * pointers, 1 << 32)
  }

  /// Takes `count` blocks for the file's blocks from `first` on, which lie behind all it has, and returns where they are.
  @discardableResult
  mutating func grow(from first: UInt64, count: UInt64) throws -> [Range<UInt64>] {
    guard let end = first.adding(count), end <= limit else { throw FileError(.fileTooLarge, "inode \(record.number)") }
    var runs: [Range<UInt64>] = []
    var next = first
    if let last = try lastBlock() {
      goal = last.place + 1
      if unit > 1, last.number / unit == first / unit {
        // The rest of a cluster that the file has already.
        let start = last.place + (first - last.number)
        let length = min(end, (first / unit + 1) * unit) - first
        try append(first: first, start..<(start + length))
        runs.append(start..<(start + length))
        next += length
      }
    }
    while next < end {
      let inCluster = next % unit
      let taken = try changes.allocate(near: goal, count: end - next + inCluster)
      let clusters = (UInt64(taken.count) + unit - 1) / unit
      try record.addAllocated(Int64(clusters * unit), changes.superblock)
      let start = taken.lowerBound + inCluster
      guard start < taken.upperBound else { throw FileError(.noSpace, "the volume") }
      let run = start..<min(taken.upperBound, start + (end - next))
      try append(first: next, run)
      runs.append(run)
      next += UInt64(run.count)
      goal = run.upperBound
    }
    return runs
  }

  /// Maps the file's blocks from `first` on, which lie behind all it has.
  private mutating func append(first: UInt64, _ run: Range<UInt64>) throws {
    guard hasExtents else { return try appendToLists(first: first, run) }
    var done: UInt64 = 0
    while done < UInt64(run.count) {
      let length = min(UInt64(run.count) - done, UInt64(ExtentNode.longestWritten))
      try appendExtent(first: first + done, start: run.lowerBound + done, count: length)
      done += length
    }
  }

  /// The last block that the file has, and where it lies; nil where it has none or lists do not tell it fast.
  private func lastBlock() throws -> (number: UInt64, place: UInt64)? {
    guard hasExtents, let last = try rightEdge().last?.last else { return nil }
    return (last.end - 1, last.start + last.count - 1)
  }

  /// Frees all blocks of the file from `block` on.
  mutating func cut(from block: UInt64) throws {
    _ = try cut(from: block, staging: .max)
  }

  /// Frees blocks of the file from its end back to `block`, until `most` blocks are staged; returns whether all are free.
  mutating func cut(from block: UInt64, staging most: Int) throws -> Bool {
    try hasExtents ? cutExtents(from: block, staging: most) : cutLists(from: block, staging: most)
  }

  /// Takes a block for the map itself.
  mutating func allocateForMap() throws -> UInt64 {
    let block = try changes.allocateBlock(near: goal)
    try record.addAllocated(Int64(unit), changes.superblock)
    return block
  }

  /// Frees a block of the map itself.
  mutating func freeOfMap(_ block: UInt64) throws {
    try changes.freeMetadata(block)
    try record.addAllocated(-Int64(unit), changes.superblock)
  }

  /// Frees blocks of contents that are whole clusters.
  mutating func freeContents(_ run: Range<UInt64>) throws {
    guard !run.isEmpty else { return }
    try changes.free(run)
    let clusters = (UInt64(run.count) + unit - 1) / unit
    try record.addAllocated(-Int64(clusters * unit), changes.superblock)
  }
}
