import BlockIO
import Bytes
import Filesystems

/// Extent trees, changed at their right edge.
extension MapEditor {
  private var seed: UInt32 {
    changes.blocks.checksumSeed(inode: record.number, generation: record.generation)
  }

  /// The nodes from the root down to the last leaf.
  func rightEdge() throws -> [ExtentTable] {
    let map = record.map
    do throws(LayoutError) { try ExtentNode(parsing: map.raw).check() } catch {
      throw changes.blocks.damaged("inode \(record.number) is damaged: \(error.detail)")
    }
    var path = [ExtentTable(map, block: nil)]
    while let node = path.last, node.depth > 0, let child = node.lastChild {
      let depth = node.depth - 1
      let block = try changes.blocks.extentNode(child, depth: depth, of: record.number, seed: seed)
      let table = ExtentTable(block.bytes.array, block: child)
      guard table.depth == depth else {
        throw changes.blocks.damaged("the extent tree of inode \(record.number) has a node of a wrong level")
      }
      path.append(table)
    }
    return path
  }

  /// Puts a changed node back into the inode or its block.
  private mutating func save(_ node: ExtentTable, isNew: Bool = false) throws {
    guard let block = node.block else {
      record.map = node.bytes
      return
    }
    var node = node
    if changes.superblock.hasMetadataChecksums { node.seal(seed: seed) }
    let bytes = node.bytes
    if isNew {
      try changes.make(block) { $0.copy(bytes.raw, at: 0) }
    } else {
      try changes.edit(block) { $0.copy(bytes.raw, at: 0) }
    }
  }

  /// Adds an extent of at most 32768 written blocks behind all others.
  mutating func appendExtent(first: UInt64, start: UInt64, count: UInt64) throws {
    var path = try rightEdge()
    if var leaf = path.last, let last = leaf.last, last.isWritten, last.end == first, last.start + last.count == start,
      last.count + count <= UInt64(ExtentNode.longestWritten)
    {
      leaf.setLastCount(last.count + count)
      return try save(leaf)
    }
    while true {
      if let level = path.lastIndex(where: { !$0.isFull }) {
        return try append(first: first, start: start, count: count, to: path[level], at: level, of: path.count)
      }
      try deepen(path[0])
      path = try rightEdge()
    }
  }

  /// Adds the extent below `node`, at `level` of `levelCount`, by new nodes down to a leaf.
  private mutating func append(
    first: UInt64, start: UInt64, count: UInt64, to node: ExtentTable, at level: Int, of levelCount: Int
  ) throws {
    var node = node
    guard level < levelCount - 1 else {
      node.append(first: first, start: start, count: count)
      return try save(node)
    }
    var child = try ExtentTable(empty: changes.blockSize, depth: 0, block: allocateForMap())
    child.append(first: first, start: start, count: count)
    try save(child, isNew: true)
    for depth in 1..<max(levelCount - 1 - level, 1) {
      var parent = try ExtentTable(empty: changes.blockSize, depth: depth, block: allocateForMap())
      if let block = child.block { parent.append(first: first, child: block) }
      try save(parent, isNew: true)
      child = parent
    }
    if let block = child.block { node.append(first: first, child: block) }
    try save(node)
  }

  /// Moves the root's entries into a block, so that the tree has a level more.
  private mutating func deepen(_ root: ExtentTable) throws {
    guard root.depth < ExtentNode.maximumDepth else { throw FileError(.fileTooLarge, "inode \(record.number)") }
    let block = try allocateForMap()
    var child = ExtentTable(empty: changes.blockSize, depth: root.depth, block: block)
    child.adopt(root)
    try save(child, isNew: true)
    var root = root
    let first = root.first(0)
    root.removeAll()
    root.depth += 1
    root.append(first: first, child: block)
    try save(root)
  }

  /// How far a leaf was cut.
  private enum Progress {
    /// Nothing of it stays.
    case emptied
    /// All is free that had to be, and something stays.
    case done
    /// As many blocks are staged as may be.
    case full
  }

  /// Frees extents from the end back to `block`, until `most` blocks are staged; returns whether all are free.
  mutating func cutExtents(from block: UInt64, staging most: Int) throws -> Bool {
    while true {
      var path = try rightEdge()
      var leaf = path.removeLast()
      let progress = try cut(&leaf, from: block, staging: most)
      if progress == .emptied, !path.isEmpty {
        try drop(leaf, below: &path)
        continue
      }
      try save(leaf)
      if progress == .full {
        try settle(with: leaf.last)
        return false
      }
      break
    }
    try settle(with: nil)
    try collapse()
    return true
  }

  /// Frees a leaf's extents back to `block`, until `most` blocks are staged.
  private mutating func cut(_ leaf: inout ExtentTable, from block: UInt64, staging most: Int) throws -> Progress {
    while let last = leaf.last {
      let end = last.start + last.count
      if last.first >= block {
        if changes.staged.stagedCount > most { return .full }
        try free(last.start..<end)
        leaf.removeLast()
        continue
      }
      try settle(with: last)
      if last.end > block {
        let kept = last.start + (block - last.first)
        try freeContents(roundedUp(kept)..<max(roundedUp(end), roundedUp(kept)))
        leaf.setLastCount(block - last.first)
      }
      return .done
    }
    return .emptied
  }

  private func roundedUp(_ block: UInt64) -> UInt64 {
    min((block + unit - 1) / unit * unit, changes.superblock.blockCount)
  }

  /// Frees an extent's clusters; the first waits if the extent begins within it.
  private mutating func free(_ run: Range<UInt64>) throws {
    let lastCluster = (run.upperBound - 1) / unit * unit
    if let carried, carried != lastCluster { try freeCluster(carried) }
    carried = nil
    let isWhole = run.lowerBound % unit == 0
    if !isWhole { carried = run.lowerBound / unit * unit }
    let start = isWhole ? run.lowerBound : (run.lowerBound / unit + 1) * unit
    let end = roundedUp(run.upperBound)
    if start < end { try freeContents(start..<end) }
  }

  /// Frees the cluster that waits unless `extent`, which stays, uses it.
  private mutating func settle(with extent: ExtentTable.Extent?) throws {
    guard let cluster = carried else { return }
    carried = nil
    if let extent, (extent.start + extent.count - 1) / unit * unit == cluster { return }
    try freeCluster(cluster)
  }

  private mutating func freeCluster(_ start: UInt64) throws { try freeContents(start..<roundedUp(start + 1)) }

  /// Frees an empty leaf and the nodes above that become empty with it.
  private mutating func drop(_ leaf: ExtentTable, below path: inout [ExtentTable]) throws {
    if let block = leaf.block { try freeOfMap(block) }
    while var parent = path.popLast() {
      parent.removeLast()
      if parent.count == 0, let block = parent.block {
        try freeOfMap(block)
        continue
      }
      if parent.count == 0 { parent.depth = 0 }
      return try save(parent)
    }
  }

  /// Moves the only node below the root into it where it fits, as often as it does.
  private mutating func collapse() throws {
    while true {
      let path = try rightEdge()
      guard path.count > 1, path[0].count == 1, path[1].count <= path[0].limit, let block = path[1].block else {
        return
      }
      var root = path[0]
      root.adopt(path[1])
      try save(root)
      try freeOfMap(block)
    }
  }
}
