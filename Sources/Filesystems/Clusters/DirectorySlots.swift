import BlockIO
import Bytes

/// The 32-byte slots of a directory of FAT or exFAT, in a chain of clusters or in the area of FAT's old root.
package final class DirectorySlots {
  /// Where the slots lie.
  private enum Place {
    case area(offset: UInt64, byteCount: UInt64)
    case chain(ClusterChain, byteCount: UInt64?)
  }

  /// Size of a slot in bytes.
  package static let slotSize = 32
  /// The most bytes that are read at once.
  package static let maximumBlockSize: UInt64 = 16 << 10

  private let place: Place
  private let heap: ClusterHeap
  private let cache: MetadataCache
  private let blockSize: UInt64

  /// The slots in `byteCount` bytes at `offset`, which must lie inside the volume.
  package init(areaAt offset: UInt64, byteCount: UInt64, heap: ClusterHeap, cache: MetadataCache) {
    place = .area(offset: offset, byteCount: byteCount)
    self.heap = heap
    self.cache = cache
    blockSize = Self.maximumBlockSize
  }

  /// The slots in a chain of clusters, or in the first `byteCount` bytes of it.
  package init(_ chain: ClusterChain, byteCount: UInt64? = nil, cache: MetadataCache) {
    place = .chain(chain, byteCount: byteCount)
    heap = chain.heap
    self.cache = cache
    blockSize = min(chain.heap.clusterSize, Self.maximumBlockSize)
  }

  /// Size in bytes of all slots.
  package func byteCount() throws -> UInt64 {
    switch place {
    case .area(_, let byteCount): byteCount
    case .chain(let chain, let byteCount): try byteCount ?? chain.count() * heap.clusterSize
    }
  }

  /// Calls `body` with each slot from `start` on, until it returns false: a block of bytes, the slot's place in it, its
  /// position in the directory, and its offset in the volume.
  package func forEach(
    from start: UInt64, _ body: (_ bytes: RawSpan, Int, _ slot: UInt64, _ offset: UInt64) throws -> Bool
  ) throws {
    let size = UInt64(Self.slotSize)
    guard var position = start.multiplied(by: size) else { return }
    while let (offset, count) = try block(at: position) {
      let block = try cache.block(at: offset, count: count)
      let inBlock = Int(position % blockSize)
      for index in stride(from: inBlock, to: count - Self.slotSize + 1, by: Self.slotSize) {
        let slot = (position + UInt64(index - inBlock)) / size
        guard try body(block.bytes, index, slot, offset + UInt64(index)) else { return }
      }
      position = (position / blockSize + 1) * blockSize
    }
  }

  /// The block of the volume that holds the byte at `position`; nil behind the directory's end.
  private func block(at position: UInt64) throws -> (offset: UInt64, count: Int)? {
    let start = position.roundedDown(to: blockSize)
    switch place {
    case .area(let offset, let byteCount):
      guard position < byteCount else { return nil }
      return (offset + start, Int(min(blockSize, byteCount - start)))
    case .chain(let chain, let byteCount):
      if let byteCount, position >= byteCount { return nil }
      guard let run = try chain.run(at: start / heap.clusterSize, limit: 1) else {
        guard byteCount == nil else {
          throw heap.damaged(
            "the chain of clusters that starts at cluster \(chain.first) ends before its directory does")
        }
        return nil
      }
      let offset = heap.offset(of: run.cluster) + start % heap.clusterSize
      try heap.requireInside(offset, blockSize)
      return (offset, Int(blockSize))
    }
  }
}
