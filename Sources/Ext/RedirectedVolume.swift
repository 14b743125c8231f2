import BlockIO
import Bytes

/// Pairs of a block and a number, gathered in order and looked up when all are there; of bounded size.
struct BlockTable {
  /// A block of the volume and what is known of it.
  struct Entry: Hashable, Sendable {
    let block: UInt64
    let value: UInt64
  }

  private(set) var entries: [Entry] = []
  private var sortedCount = 0
  private let what: String
  /// Most different blocks: 8 MiB of memory, twice that while they are gathered, for 2 GiB of blocks of 4 KiB.
  private static let limit = 1 << 19

  init(what: String) { self.what = what }

  /// Adds a pair, which wins over earlier ones of the same block.
  mutating func add(_ block: UInt64, _ value: UInt64) throws {
    entries.append(Entry(block: block, value: value))
    guard entries.count >= Self.limit, entries.count >= 2 * sortedCount else { return }
    finish()
    guard entries.count < Self.limit else {
      throw ImageError(
        .unsupported, format: "ext4", "the journal holds more than \(Self.limit) \(what); let e2fsck recover the volume"
      )
    }
  }

  /// Sorts by block and keeps one pair of each: the one added last.
  mutating func finish() {
    // Stable, so that the last of equal blocks is the newest.
    entries.sort { $0.block < $1.block }
    var count = 0
    for entry in entries {
      if count > 0, entries[count - 1].block == entry.block {
        entries[count - 1] = entry
      } else {
        entries[count] = entry
        count += 1
      }
    }
    entries.removeLast(entries.count - count)
    sortedCount = count
  }

  /// The number of a block; only after `finish`.
  func value(of block: UInt64) -> UInt64? {
    let index = entries.firstIndex(from: block)
    return index < entries.count && entries[index].block == block ? entries[index].value : nil
  }
}

extension [BlockTable.Entry] {
  /// The first entry of `block` or one behind it, by halving.
  func firstIndex(from block: UInt64) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle].block < block { low = middle + 1 } else { high = middle }
    }
    return low
  }
}

/// Blocks of a volume whose newest copies lie in its journal.
struct RedirectMap: Sendable {
  /// Ascending by block; the number is twice the copy's block, plus one for a copy whose first word is escaped.
  let entries: [BlockTable.Entry]

  init(_ entries: [BlockTable.Entry]) { self.entries = entries }

  /// The first redirected block at or after `block`, and where its copy lies.
  func first(from block: UInt64) -> (block: UInt64, copy: UInt64, isEscaped: Bool)? {
    let index = entries.firstIndex(from: block)
    guard index < entries.count else { return nil }
    let entry = entries[index]
    return (entry.block, entry.value >> 1, entry.value & 1 != 0)
  }
}

/// A volume as it is once its journal is written back; nothing is written.
final class RedirectedVolume: BlockSource {
  private let base: any BlockSource
  /// The blocks whose copies lie in the journal.
  let map: RedirectMap
  private let blockSize: UInt64

  init(_ base: any BlockSource, _ map: RedirectMap, blockSize: Int) {
    self.base = base
    self.map = map
    self.blockSize = UInt64(blockSize)
  }

  var byteCount: UInt64 { base.byteCount }

  func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let found = try base.extent(at: offset, limit: limit)
    guard found.kind != .data, let next = map.first(from: offset / blockSize) else { return found }
    let start = next.block * blockSize
    if start <= offset { return Extent(.data, offset: offset, length: min(found.end, start + blockSize) - offset) }
    return Extent(found.kind, offset: offset, length: min(found.end, start) - offset)
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    let end = offset + UInt64(buffer.byteCount)
    var position = offset
    while position < end {
      let next = map.first(from: position / blockSize)
      let start = next.map { $0.block * blockSize } ?? end
      if start > position {
        let stop = min(start, end)
        var piece = buffer.mutableSlice(Int(position - offset), Int(stop - position))
        try base.read(at: position, into: &piece)
        position = stop
        continue
      }
      guard let next else { return }
      let inBlock = position - start
      let stop = min(start + blockSize, end)
      var piece = buffer.mutableSlice(Int(position - offset), Int(stop - position))
      try base.read(at: next.copy * blockSize + inBlock, into: &piece)
      if next.isEscaped { unescape(&piece, from: inBlock) }
      position = stop
    }
  }

  /// Puts the journal's magic number back where the piece, which starts `offset` bytes into its block, holds its place.
  private func unescape(_ piece: inout MutableRawSpan, from offset: UInt64) {
    for place in 0..<UInt64(4) where place >= offset && place - offset < UInt64(piece.byteCount) {
      let byte = UInt8(truncatingIfNeeded: JournalHeader.magic >> UInt32(24 - 8 * place))
      piece.storeBytes(of: byte, toByteOffset: Int(place - offset), as: UInt8.self)
    }
  }
}
