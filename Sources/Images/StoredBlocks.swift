package import BlockIO
import Bytes

/// Which blocks of a partition a backup stores: one bit per block, and counts to number them (1.6 % more).
package final class StoredBlocks: Sendable {
  /// Blocks to one entry of `ranks`.
  static let rankInterval = 4096
  /// Blocks after which an extent of stored ones is cut, so that asking for one is cheap.
  static let longestExtent: UInt64 = 1 << 18

  /// In bytes.
  package let blockSize: UInt64
  /// How many blocks there are.
  package let total: UInt64
  /// How many of them are stored.
  package let stored: UInt64
  /// Bits, lowest first, padded with zeroes to whole words; nil where every block is stored.
  private let bits: Pages?
  /// How many blocks are stored before each group of `rankInterval`.
  private let ranks: [UInt64]
  /// How many runs of stored blocks start before each group of `rankInterval`; empty where they are not counted.
  private let runRanks: [UInt64]

  /// Every one of `total` blocks.
  package init(all total: UInt64, blockSize: UInt64) {
    (self.total, self.blockSize, stored, ranks, runRanks) = (total, blockSize, total, [], [])
    bits = nil
  }

  /// The blocks whose bits are set; bits from `total` on are ignored, and `bits` are whole words.
  ///
  /// ``runs(upTo:)`` works where `countsRuns` says so.
  package init(_ bits: consuming Pages, total: UInt64, blockSize: UInt64, countsRuns: Bool = false) {
    Self.clear(&bits, from: Int(total))
    let (ranks, count) = Self.ranks(bits)
    (self.total, self.blockSize, stored) = (total, blockSize, count)
    self.ranks = ranks
    runRanks = countsRuns ? Self.runRanks(bits) : []
    self.bits = consume bits
  }

  private static func ranks(_ bits: borrowing Pages) -> ([UInt64], stored: UInt64) {
    var ranks: [UInt64] = []
    var count: UInt64 = 0
    let words = bits.bytes
    ranks.reserveCapacity(words.byteCount * 8 / Self.rankInterval + 1)
    var offset = 0
    while offset < words.byteCount {
      ranks.append(count)
      let end = min(offset + Self.rankInterval / 8, words.byteCount)
      while offset < end {
        count &+= UInt64(words.littleEndian(at: offset, as: UInt64.self).nonzeroBitCount)
        offset &+= 8
      }
    }
    return (ranks, count)
  }

  private static func runRanks(_ bits: borrowing Pages) -> [UInt64] {
    var ranks: [UInt64] = []
    let words = bits.bytes
    ranks.reserveCapacity(words.byteCount * 8 / Self.rankInterval + 1)
    var (count, last): (UInt64, UInt64) = (0, 0)
    var offset = 0
    while offset < words.byteCount {
      ranks.append(count)
      let end = min(offset + Self.rankInterval / 8, words.byteCount)
      while offset < end {
        let word: UInt64 = words.littleEndian(at: offset)
        count &+= UInt64((word & ~(word << 1 | last)).nonzeroBitCount)
        last = word >> 63
        offset &+= 8
      }
    }
    return ranks
  }

  /// How many runs of stored blocks start at or before `block`, which is below `total`.
  package func runs(upTo block: UInt64) -> UInt64 {
    switch bits {
    case .none: return 1
    case .some(let bits):
      let group = Int(block) / Self.rankInterval
      let words = bits.bytes
      var count = runRanks[group]
      var offset = group * (Self.rankInterval / 8)
      var last = offset == 0 ? 0 : words.littleEndian(at: offset - 8, as: UInt64.self) >> 63
      let end = Int(block) / 64 * 8
      while offset <= end {
        let word: UInt64 = words.littleEndian(at: offset)
        var starts = word & ~(word << 1 | last)
        if offset == end { starts &= ~(~1 << (block % 64)) }
        count &+= UInt64(starts.nonzeroBitCount)
        last = word >> 63
        offset &+= 8
      }
      return count
    }
  }

  /// The bytes that the blocks make up.
  package var byteCount: UInt64 { total * blockSize }

  /// Whether block `block` is stored; none from `total` on is.
  package func isStored(_ block: UInt64) -> Bool { block < total && next(true, from: block, below: block + 1) == block }

  /// The first block from `start` on, below `limit`, whose being stored equals `value`; `limit` if there is none.
  package func next(_ value: Bool, from start: UInt64, below limit: UInt64) -> UInt64 {
    let limit = min(limit, total)
    guard start < limit else { return limit }
    switch bits {
    case .none: return value ? start : limit
    case .some(let bits): return UInt64(Bitmap(bits.bytes, count: Int(limit)).next(value, from: Int(start)))
    }
  }

  /// How many blocks are stored before `block`, which is at most `total`.
  package func rank(_ block: UInt64) -> UInt64 {
    switch bits {
    case .none: return block
    case .some(let bits):
      guard block < total else { return stored }
      let group = Int(block) / Self.rankInterval
      let words = bits.bytes
      var count = ranks[group]
      var offset = group * (Self.rankInterval / 8)
      let last = Int(block) / 64 * 8
      while offset < last {
        count &+= UInt64(words.littleEndian(at: offset, as: UInt64.self).nonzeroBitCount)
        offset &+= 8
      }
      let below = words.littleEndian(at: last, as: UInt64.self) & ~(~0 << (block % 64))
      return count + UInt64(below.nonzeroBitCount)
    }
  }

  /// The block that is stored as number `index`, or `total` if fewer are stored.
  package func block(ofStored index: UInt64) -> UInt64 {
    guard index < stored else { return total }
    var (low, high): (UInt64, UInt64) = (0, total)
    // The last block with at most `index` stored before it, which is stored itself.
    while high - low > 1 {
      let middle = low + (high - low) / 2
      if rank(middle) <= index { low = middle } else { high = middle }
    }
    return low
  }

  /// What lies at byte `offset` of a disk of `deviceSize` bytes that starts with these blocks, up to `limit`.
  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    let block = offset / blockSize
    let isStored = isStored(block)
    guard block < total else { return Extent(.unused, offset: offset, length: limit - offset) }
    let reach = min(total, (limit - 1) / blockSize + 1)
    let lastBlock = isStored ? min(reach, block + Self.longestExtent) : reach
    let end = next(!isStored, from: block, below: lastBlock)
    let endByte = end == total && !isStored ? limit : min(end * blockSize, limit)
    return Extent(isStored ? .data : .unused, offset: offset, length: endByte - offset)
  }

  private static func clear(_ bits: inout Pages, from total: Int) {
    guard total < bits.count * 8 else { return }
    var words = bits.mutableSlice(0, bits.count)
    var offset = total / 64 * 8
    let kept = words.bytes.littleEndian(at: offset, as: UInt64.self) & ~(~0 << UInt64(total % 64))
    words.store(littleEndian: kept, at: offset)
    offset += 8
    while offset < words.byteCount {
      words.store(littleEndian: UInt64(0), at: offset)
      offset += 8
    }
  }
}
