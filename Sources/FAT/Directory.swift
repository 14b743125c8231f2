import BlockIO
import Bytes
import Filesystems

/// A directory's 32-byte slots, in the root's own area or in a chain of clusters.
final class Directory {
  /// Where the slots lie.
  private enum Place {
    case area(offset: UInt64, byteCount: UInt64)
    case chain(ClusterChain)
  }

  /// A file's entry with its names.
  struct Found {
    /// Position of its first slot, the first part of its long name, and of the slot behind it.
    let slots: Range<UInt64>
    /// Where the short entry lies in the volume, in bytes.
    let offset: UInt64
    let entry: ShortEntry
    /// Nil where there is only the short one.
    let longName: [UInt16]?

    /// The name that users see.
    var name: [UInt16] { longName ?? entry.name.utf16 }
  }

  private let place: Place
  private let heap: ClusterHeap
  private let cache: MetadataCache
  private let isWide: Bool
  /// The first cluster; 0 for the root's own area.
  let firstCluster: UInt32
  /// Size in bytes of what is read at once: at most a cluster, at most 16 KiB.
  private let blockSize: UInt64

  /// The slots in `byteCount` bytes at `offset`.
  init(areaAt offset: UInt64, byteCount: UInt64, heap: ClusterHeap, cache: MetadataCache) {
    place = .area(offset: offset, byteCount: byteCount)
    (self.heap, self.cache, isWide, firstCluster) = (heap, cache, false, 0)
    blockSize = 16 << 10
  }

  /// The slots in a chain of clusters.
  init(_ chain: ClusterChain, isWide: Bool, cache: MetadataCache) {
    place = .chain(chain)
    (heap, self.cache, self.isWide, firstCluster) = (chain.heap, cache, isWide, chain.first)
    blockSize = min(chain.heap.clusterSize, 16 << 10)
  }

  /// Size in bytes of all slots.
  func byteCount() throws -> UInt64 {
    switch place {
    case .area(_, let byteCount): byteCount
    case .chain(let chain): try chain.count() * heap.clusterSize
    }
  }

  /// Calls `body` with each file from slot `start` on, until it returns false.
  ///
  /// Deleted entries, labels, `.` and `..`,
  /// and parts of long names that belong to nothing are left out.
  func forEach(from start: UInt64, _ body: (Found) throws -> Bool) throws {
    var long = LongName()
    var firstSlot = start
    try forEachSlot(from: start) { bytes, position, slot, offset in
      let lead: UInt8 = bytes.littleEndian(at: position)
      let attributes: UInt8 = bytes.littleEndian(at: position + ShortEntry.Offset.attributes)
      if lead == ShortEntry.Mark.end { return false }
      if lead == ShortEntry.Mark.deleted {
        long.removeAll()
      } else if attributes & 0x3f == LongNameEntry.attributes {
        if lead & LongNameEntry.lastBit != 0 { firstSlot = slot }
        long.add(LongNameEntry(bytes, at: position))
      } else if attributes & DOSAttributes.volumeLabel.rawValue != 0 {
        long.removeAll()
      } else {
        let entry = ShortEntry(bytes, at: position, isWide: isWide)
        let name = long.take(for: entry.name)
        guard !entry.name.isDotOrDotDot else { return true }
        let slots = (name == nil ? slot : firstSlot)..<(slot + 1)
        return try body(Found(slots: slots, offset: offset, entry: entry, longName: name))
      }
      return true
    }
  }

  /// The volume's label, which only the root holds; nil where it has none.
  func label() throws -> String? {
    var label: String?
    try forEachSlot(from: 0) { bytes, position, _, _ in
      let lead: UInt8 = bytes.littleEndian(at: position)
      let attributes: UInt8 = bytes.littleEndian(at: position + ShortEntry.Offset.attributes)
      if lead == ShortEntry.Mark.end { return false }
      guard lead != ShortEntry.Mark.deleted, attributes & 0x3f != LongNameEntry.attributes,
        attributes & 0x18 == DOSAttributes.volumeLabel.rawValue
      else { return true }
      label = ShortName.label(bytes.slice(position, 11).array)
      return false
    }
    return label
  }

  /// Calls `body` with each slot from `start` on, until it returns false: a block of bytes, the slot's place in it, its
  /// position in the directory, and its offset in the volume.
  private func forEachSlot(
    from start: UInt64, _ body: (_ bytes: RawSpan, Int, _ slot: UInt64, _ offset: UInt64) throws -> Bool
  ) throws {
    guard let first = start.multiplied(by: UInt64(ShortEntry.size)) else { return }
    var position = first
    while let (offset, count) = try extent(at: position) {
      let block = try cache.block(at: offset, count: count)
      let inBlock = Int(position % blockSize)
      for index in stride(from: inBlock, to: block.count - ShortEntry.size + 1, by: ShortEntry.size) {
        let slot = (position + UInt64(index - inBlock)) / UInt64(ShortEntry.size)
        guard try body(block.bytes, index, slot, offset + UInt64(index)) else { return }
      }
      position = (position / blockSize + 1) * blockSize
    }
  }

  /// The block of the volume that holds the directory's byte at `position`; nil behind the directory's end.
  private func extent(at position: UInt64) throws -> (offset: UInt64, count: Int)? {
    let start = position.roundedDown(to: blockSize)
    switch place {
    case .area(let offset, let byteCount):
      guard position < byteCount else { return nil }
      return (offset + start, Int(min(blockSize, byteCount - start)))
    case .chain(let chain):
      guard let run = try chain.run(at: start / heap.clusterSize, limit: 1) else { return nil }
      let offset = heap.offset(of: run.cluster) + start % heap.clusterSize
      try heap.requireInside(offset, blockSize)
      return (offset, Int(blockSize))
    }
  }
}
