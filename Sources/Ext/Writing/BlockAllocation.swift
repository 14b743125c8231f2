import BlockIO
import Bytes
import Filesystems

/// Taking and freeing blocks.
extension Changes {
  /// Groups whose bitmaps are looked at for a run as long as wanted, before a shorter one will do.
  private static let mostSearched = 32

  /// Takes the run of free blocks nearest to `goal`, as many as `count` if there is such a run, else the longest found.
  ///
  /// With clusters of several blocks (bigalloc) it is whole clusters, so that it may be longer than `count`. What the
  /// transaction has freed is not taken. Throws `FileError.noSpace` where nothing is free.
  func allocate(near goal: UInt64, count: UInt64) throws -> Range<UInt64> {
    let layout = blocks.layout
    let unit = superblock.blocksPerCluster
    let wanted = Int(min((count + unit - 1) / unit, UInt64(blocks.blockBitmapBits)))
    // Half a group nearby is better than a whole one far away.
    let enough = min(wanted, blocks.blockBitmapBits / 2)
    let first = UInt64(superblock.firstDataBlock)
    let goal = goal >= first && goal < superblock.blockCount ? goal : first
    let home = (goal - first) / layout.blocksPerGroup
    var best: (group: UInt64, run: Range<Int>)?
    var searched = 0
    for step in 0..<layout.groupCount {
      let group = (home + step) % layout.groupCount
      let free = try Int(blocks.descriptor(of: group).freeClusters)
      guard free > 0, free > (best?.run.count ?? 0) else { continue }
      let start = step == 0 ? Int((goal - layout.firstBlock(of: group)) / unit) : 0
      if let run = try freeRun(in: group, from: start, wanted: wanted), run.count > (best?.run.count ?? 0) {
        best = (group, run)
        if run.count >= enough { break }
      }
      searched += 1
      if searched >= Self.mostSearched, best != nil { break }
    }
    guard let best else { throw FileError(.noSpace, "the volume") }
    try mark(best.run, of: best.group, asUsed: true)
    let start = layout.firstBlock(of: best.group) + UInt64(best.run.lowerBound) * unit
    return start..<min(start + UInt64(best.run.count) * unit, superblock.blockCount)
  }

  /// Takes one block (or cluster) and returns its first block.
  func allocateBlock(near goal: UInt64) throws -> UInt64 { try allocate(near: goal, count: 1).lowerBound }

  /// The first run of `wanted` free clusters from `start` on, round the group; else the longest; nil where none is free.
  private func freeRun(in group: UInt64, from start: Int, wanted: Int) throws -> Range<Int>? {
    var bits = try blockBitmap(of: group)
    if let freed = notes.freed[group] { for index in bits.indices { bits[index] |= freed[index] } }
    let map = Bitmap(bits.raw, count: clusterCount(of: group))
    var best: Range<Int>?
    for (from, to) in [(start, map.count), (0, start)] {
      var place = map.next(false, from: from)
      while place < to {
        let end = map.next(true, from: place)
        if end - place >= wanted { return place..<(place + wanted) }
        if end - place > (best?.count ?? 0) { best = place..<end }
        place = map.next(false, from: end)
      }
    }
    return best
  }

  /// Frees a run of blocks; with clusters of several blocks it must be whole ones.
  func free(_ run: Range<UInt64>) throws {
    _ = try blocks.offset(of: run.lowerBound, count: UInt64(run.count), for: "a run of blocks to free")
    let layout = blocks.layout
    let unit = superblock.blocksPerCluster
    for block in notes.editedData where run.contains(block) { forget(block) }
    var start = run.lowerBound
    while start < run.upperBound {
      let group = (start - UInt64(superblock.firstDataBlock)) / layout.blocksPerGroup
      let base = layout.firstBlock(of: group)
      let end = min(run.upperBound, base + layout.blockCount(of: group))
      let clusters = Int((start - base) / unit)..<Int((end - base + unit - 1) / unit)
      try mark(clusters, of: group, asUsed: false)
      notes.freed[group, default: [UInt8](repeating: 0, count: blockSize)].setBits(clusters)
      start = end
    }
  }

  /// Frees a block of metadata (with the cluster that it begins).
  func freeMetadata(_ block: UInt64) throws {
    forget(block)
    let unit = superblock.blocksPerCluster
    let start = block - (block - UInt64(superblock.firstDataBlock)) % unit
    try free(start..<min(start + unit, superblock.blockCount))
  }
}
