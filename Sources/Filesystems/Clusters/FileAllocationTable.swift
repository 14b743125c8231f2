package import BlockIO
import Bytes

/// The file allocation table of FAT and exFAT: for each cluster the one that follows it (ECMA-107; Microsoft's
/// specifications of FAT and exFAT).
///
/// Entries 0 and 1 stand for no cluster; cluster 2 is the first.
package final class FileAllocationTable {
  /// Bits of an entry that count.
  package enum Width: UInt8, Sendable {
    /// FAT12: two entries in three bytes.
    case bits12 = 12
    /// FAT16.
    case bits16 = 16
    /// FAT32: the upper four bits of 32 are kept and mean nothing.
    case bits28 = 28
    /// exFAT.
    case bits32 = 32
  }

  /// What an entry says of its cluster.
  package enum Entry: Hashable, Sendable {
    case free
    case next(UInt32)
    case end
    case bad
    /// A number that is no cluster's.
    case invalid(UInt32)
  }

  package let width: Width
  let heap: ClusterHeap
  /// First byte of the table that counts.
  package let start: UInt64
  /// Bytes of the table that its clusters use.
  package let byteCount: UInt64
  private let cache: MetadataCache
  private var block: MetadataBlock?
  private var blockIndex: UInt64 = 0

  /// Bytes of the table that are read at once: a multiple of three, so that no entry of 12 bits lies in two blocks.
  package static let blockSize: UInt64 = 12 << 10
  /// Bytes of the table in memory at most.
  private static let cacheSize = 768 << 10

  /// The table at `start`, which must hold an entry for each cluster of `heap`.
  package init(_ width: Width, at start: UInt64, heap: ClusterHeap) throws(ImageError) {
    self.width = width
    self.heap = heap
    self.start = start
    byteCount = width.byteCount(entries: heap.endCluster)
    cache = MetadataCache(of: heap.volume, byteCount: Self.cacheSize)
    try heap.requireInside(start, byteCount)
  }

  /// The entry of `cluster`, below `heap.endCluster`, as a number.
  package func value(of cluster: UInt32) throws -> UInt32 {
    let place = width.offset(of: cluster)
    let index = place / Self.blockSize
    let block = try table(index)
    return width.load(block.bytes, at: Int(place % Self.blockSize), isOdd: cluster % 2 == 1)
  }

  /// What the table says of `cluster`.
  package func entry(of cluster: UInt32) throws -> Entry { meaning(of: try value(of: cluster)) }

  /// Follows a chain from `cluster`, one of the heap's, over at most `limit` clusters that lie one behind the other:
  /// how many they are, 1 at least, and the cluster after them; nil at the chain's end.
  package func run(from cluster: UInt32, limit: UInt32) throws -> (count: UInt32, next: UInt32?) {
    var last = cluster
    while true {
      switch try entry(of: last) {
      case .end: return (last - cluster + 1, nil)
      case .next(let next):
        guard next == last + 1, last - cluster + 1 < limit else { return (last - cluster + 1, next) }
        last = next
      case .free: throw damaged(last, "leads to it, but it is marked as free")
      case .bad: throw damaged(last, "leads to it, but it is marked as bad")
      case .invalid(let value): throw damaged(last, "goes on at \(value), which no cluster has as its number")
      }
    }
  }

  /// The first cluster at or after `cluster` that is free, if `isFree`, or is not, below `limit`; else `limit`.
  ///
  /// Bad clusters count as free, since nothing is kept in them.
  package func next(isFree: Bool, from cluster: UInt64, limit: UInt64) throws -> UInt64 {
    let bad = width.badMark
    return try next(from: cluster, limit: limit) { ($0 == 0 || $0 == bad) == isFree }
  }

  /// The first cluster at or after `cluster` whose entry is zero, if `isZero`, or is not, below `limit`; else `limit`.
  package func next(isZero: Bool, from cluster: UInt64, limit: UInt64) throws -> UInt64 {
    try next(from: cluster, limit: limit) { ($0 == 0) == isZero }
  }

  /// The first cluster whose entry is as wanted.
  @inline(__always)
  private func next(from cluster: UInt64, limit: UInt64, _ isWanted: (UInt32) -> Bool) throws -> UInt64 {
    let perBlock = width.entries(in: Self.blockSize)
    var cluster = cluster
    while cluster < limit {
      let block = try table(cluster / perBlock)
      let first = cluster / perBlock * perBlock
      let end = min(limit, first + perBlock)
      if !isWanted(0), block.bytes.isAllZero {
        cluster = end
        continue
      }
      while cluster < end {
        let index = UInt32(cluster - first)
        let value = width.load(block.bytes, at: Int(width.offset(of: index)), isOdd: index % 2 == 1)
        if isWanted(value) { return cluster }
        cluster += 1
      }
    }
    return limit
  }

  /// Clusters that are free.
  package func countFree() throws -> UInt32 {
    var free: UInt32 = 0
    try forEachPiece(in: 0..<pieceCount) { piece in
      try piece.forEach { _, count, value in if value == 0 { free += count } }
    }
    return free
  }

  /// Forgets what is in memory of the entries of `run`, after they were changed.
  package func forget(_ run: ClusterRun) {
    let blocks = width.offset(of: run.first) / Self.blockSize...width.offset(of: run.last) / Self.blockSize
    for index in blocks { cache.remove(at: start + index * Self.blockSize) }
    if blocks.contains(blockIndex) { block = nil }
  }

  /// Forgets what is in memory, after the table was written.
  package func removeAll() {
    cache.removeAll()
    block = nil
  }

  private func meaning(of value: UInt32) -> Entry {
    switch value {
    case 0: .free
    case _ where heap.contains(value): .next(value)
    case width.badMark: .bad
    case _ where value >= width.firstEndMark: .end
    default: .invalid(value)
    }
  }

  private func table(_ index: UInt64) throws -> MetadataBlock {
    if let block, blockIndex == index { return block }
    let offset = index * Self.blockSize
    let found = try cache.block(at: start + offset, count: Int(min(Self.blockSize, byteCount - offset)))
    (block, blockIndex) = (found, index)
    return found
  }

  private func damaged(_ cluster: UInt32, _ what: String) -> ImageError {
    heap.damaged("the chain of clusters at cluster \(cluster) \(what)", at: start + width.offset(of: cluster))
  }
}

extension FileAllocationTable.Width {
  /// The entry for a cluster that cannot be used.
  package var badMark: UInt32 {
    switch self {
    case .bits12: 0xff7
    case .bits16: 0xfff7
    case .bits28: 0x0fff_fff7
    case .bits32: 0xffff_fff7
    }
  }

  /// The smallest entry that ends a chain; exFAT has just one.
  package var firstEndMark: UInt32 { self == .bits32 ? 0xffff_ffff : badMark + 1 }

  /// The entry with which chains are ended.
  package var endMark: UInt32 { self == .bits32 ? firstEndMark : badMark + 8 }

  /// Where the entry of `cluster` starts in the table; of 12 bits, an odd one's starts inside that byte.
  package func offset(of cluster: UInt32) -> UInt64 {
    switch self {
    case .bits12: UInt64(cluster) + UInt64(cluster / 2)
    case .bits16: UInt64(cluster) * 2
    case .bits28, .bits32: UInt64(cluster) * 4
    }
  }

  /// Bytes that so many entries take.
  package func byteCount(entries: UInt64) -> UInt64 {
    switch self {
    case .bits12: entries + (entries + 1) / 2
    case .bits16: entries * 2
    case .bits28, .bits32: entries * 4
    }
  }

  /// Entries that fit into so many bytes.
  package func entries(in byteCount: UInt64) -> UInt64 {
    switch self {
    case .bits12: byteCount / 3 * 2 + (byteCount % 3 == 2 ? 1 : 0)
    case .bits16: byteCount / 2
    case .bits28, .bits32: byteCount / 4
    }
  }

  /// The entry that starts at `offset`, inside `bytes`; `isOdd` for that of an odd cluster.
  package func load(_ bytes: RawSpan, at offset: Int, isOdd: Bool) -> UInt32 {
    switch self {
    case .bits12:
      let pair: UInt16 = bytes.littleEndian(at: offset)
      return UInt32(isOdd ? pair >> 4 : pair & 0xfff)
    case .bits16: return UInt32(bytes.littleEndian(at: offset, as: UInt16.self))
    case .bits28: return bytes.littleEndian(at: offset, as: UInt32.self) & 0x0fff_ffff
    case .bits32: return bytes.littleEndian(at: offset)
    }
  }

  /// Stores an entry, leaving the bits beside it as they are.
  @_lifetime(bytes: copy bytes)
  package func store(_ value: UInt32, into bytes: inout MutableRawSpan, at offset: Int, isOdd: Bool) {
    switch self {
    case .bits12:
      let old: UInt16 = bytes.bytes.littleEndian(at: offset)
      let new = UInt16(value & 0xfff)
      bytes.store(littleEndian: isOdd ? old & 0x000f | new << 4 : old & 0xf000 | new, at: offset)
    case .bits16: bytes.store(littleEndian: UInt16(value & 0xffff), at: offset)
    case .bits28:
      let kept = bytes.bytes.littleEndian(at: offset, as: UInt32.self) & 0xf000_0000
      bytes.store(littleEndian: kept | value & 0x0fff_ffff, at: offset)
    case .bits32: bytes.store(littleEndian: value, at: offset)
    }
  }
}
