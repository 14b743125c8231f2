import BlockIO
import Bytes
import Filesystems

/// Which clusters are in use: bit 0 of byte 0 is cluster 2.
final class AllocationBitmap {
  private let chain: ClusterChain
  private let heap: ClusterHeap
  private let cache: MetadataCache
  /// Bytes that are read at once.
  private let blockSize: UInt64

  /// Where the bitmap starts.
  var firstCluster: UInt32 { chain.first }

  /// The bitmap that starts at `cluster` and is said to have `byteCount` bytes; throws where that is too few.
  init(from cluster: UInt32, byteCount: UInt64, heap: ClusterHeap, table: FileAllocationTable) throws {
    guard byteCount >= (UInt64(heap.clusterCount) + 7) / 8 else {
      throw heap.damaged("the bitmap of \(byteCount) bytes is too small for \(heap.clusterCount) clusters")
    }
    chain = try ClusterChain(from: cluster, in: heap, table: table)
    self.heap = heap
    cache = MetadataCache(of: heap.volume, byteCount: 256 << 10)
    blockSize = min(heap.clusterSize, 16 << 10)
  }

  /// The first cluster at or after `cluster`, below `limit`, whose bit is `isUsed`; else `limit`.
  func next(isUsed: Bool, from cluster: UInt64, limit: UInt64) throws -> UInt64 {
    var bit = cluster - 2
    let end = limit - 2
    while bit < end {
      let start = bit.roundedDown(to: blockSize * 8)
      let block = try self.block(start / 8)
      let count = Int(min(end - start, blockSize * 8))
      let found = Bitmap(block.bytes, count: count).next(isUsed, from: Int(bit - start))
      if found < count { return start + UInt64(found) + 2 }
      bit = start + UInt64(count)
    }
    return limit
  }

  func isUsed(_ cluster: UInt32) throws -> Bool {
    try next(isUsed: true, from: UInt64(cluster), limit: UInt64(cluster) + 1) == UInt64(cluster)
  }

  /// Clusters in use.
  func countUsed() throws -> UInt64 {
    var used: UInt64 = 0
    for start in stride(from: UInt64(0), to: UInt64(heap.clusterCount), by: Int(blockSize) * 8) {
      let block = try self.block(start / 8)
      let bits = min(UInt64(heap.clusterCount) - start, blockSize * 8)
      for word in 0..<Int((bits + 63) / 64) {
        let value: UInt64 = block.bytes.littleEndian(at: word * 8)
        let left = bits - UInt64(word) * 64
        used += UInt64((left >= 64 ? value : value & (1 << left - 1)).nonzeroBitCount)
      }
    }
    return used
  }

  /// Stages whether the clusters of `run` are in use.
  func stage(_ run: ClusterRun, isUsed: Bool, in volume: StagedVolume) throws {
    var bit = UInt64(run.first) - 2
    let end = bit + UInt64(run.count)
    while bit < end {
      let byte = bit / 8
      let limit = min(end, ((byte / blockSize) + 1) * blockSize * 8)
      let count = Int((limit - 1) / 8 - byte + 1)
      let offset = try offset(of: byte)
      var buffer = Buffer(count: count)
      var bytes = buffer.mutablePrefix(count)
      try volume.read(at: offset, into: &bytes)
      for index in 0..<count {
        let first = byte * 8 + UInt64(index) * 8
        let low = UInt8(max(bit, first) - first)
        let high = UInt8(min(limit, first + 8) - first)
        let mask = UInt8(truncatingIfNeeded: (UInt16(1) << UInt16(high)) - (UInt16(1) << UInt16(low)))
        let old: UInt8 = bytes.bytes.littleEndian(at: index)
        bytes.store(littleEndian: isUsed ? old | mask : old & ~mask, at: index)
      }
      try volume.stage(bytes.bytes, at: offset)
      cache.remove(at: offset - byte % blockSize)
      bit = limit
    }
  }

  /// Forgets what is in memory.
  func removeAll() { cache.removeAll() }

  /// Where a byte of the bitmap lies in the volume.
  private func offset(of position: UInt64) throws -> UInt64 {
    guard let run = try chain.run(at: position / heap.clusterSize, limit: 1) else {
      throw heap.damaged("the chain of the bitmap's clusters ends before the bitmap does")
    }
    return heap.offset(of: run.cluster) + position % heap.clusterSize
  }

  /// The block that starts at byte `position` of the bitmap.
  private func block(_ position: UInt64) throws -> MetadataBlock {
    guard let run = try chain.run(at: position / heap.clusterSize, limit: 1) else {
      throw heap.damaged("the chain of the bitmap's clusters ends before the bitmap does")
    }
    let offset = heap.offset(of: run.cluster) + position % heap.clusterSize
    try heap.requireInside(offset, blockSize)
    return try cache.block(at: offset, count: Int(blockSize))
  }
}
