package import BlockIO
import Bytes

/// A disk put together from what a folder keeps beside the partitions' images: table, links, data in gaps.
///
/// Everything else is unused, but for ranges that others write, which are unallocated.
package struct FolderDisk: BlockSource {
  /// Some bytes of the disk.
  private struct Piece: Sendable {
    let range: Range<UInt64>
    let contents: any BlockSource
    /// Where in `contents` the range starts.
    let from: UInt64

    /// The part of the piece that lies in `range`; nil if none does.
    func cut(to range: Range<UInt64>) -> Piece? {
      let common = self.range.clamped(to: range)
      guard !common.isEmpty else { return nil }
      return Piece(range: common, contents: contents, from: from + (common.lowerBound - self.range.lowerBound))
    }
  }

  /// In ascending order, none touching another's bytes.
  private var pieces: [Piece] = []
  package private(set) var byteCount: UInt64
  /// Ranges that others write, ascending.
  private var reserved: [Range<UInt64>] = []

  /// A disk without anything on it.
  package init(byteCount: UInt64) { self.byteCount = byteCount }

  /// Lays `bytes` over whatever is at `offset`; what lies past the end of the disk is left out.
  package mutating func put(_ bytes: [UInt8], at offset: UInt64) { put(ByteDisk(bytes), at: offset) }

  /// Lays all of `contents` over whatever is at `offset`; what lies past the end of the disk is left out.
  package mutating func put(_ contents: any BlockSource, at offset: UInt64) {
    let end = min(offset.adding(contents.byteCount) ?? .max, byteCount)
    guard offset < end else { return }
    let range = offset..<end
    var rest: [Piece] = []
    for piece in pieces {
      rest += [piece.cut(to: 0..<offset), piece.cut(to: end..<UInt64.max)].compactMap(\.self)
    }
    rest.append(Piece(range: range, contents: contents, from: 0))
    pieces = rest.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }

  /// Leaves `ranges`, which do not overlap, to others.
  package mutating func reserve(_ ranges: [Range<UInt64>]) {
    reserved = ranges.filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
  }

  /// Makes the disk larger or smaller; what lies past its new end is dropped.
  package mutating func resize(to byteCount: UInt64) {
    self.byteCount = byteCount
    pieces = pieces.compactMap { $0.cut(to: 0..<byteCount) }
  }

  /// The first piece that ends behind `offset`.
  private func index(after offset: UInt64) -> Int {
    var (low, high) = (0, pieces.count)
    while low < high {
      let middle = (low + high) / 2
      if pieces[middle].range.upperBound <= offset { low = middle + 1 } else { high = middle }
    }
    return low
  }

  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let limit = min(limit, byteCount)
    let index = index(after: offset)
    guard index < pieces.count else { return free(at: offset, limit: limit) }
    let range = pieces[index].range
    guard range.lowerBound <= offset else { return free(at: offset, limit: min(limit, range.lowerBound)) }
    return Extent(.data, offset: offset, length: min(limit, range.upperBound) - offset)
  }

  /// The extent at `offset`, where no piece is.
  private func free(at offset: UInt64, limit: UInt64) -> Extent {
    for range in reserved where range.upperBound > offset {
      let isInside = range.lowerBound <= offset
      let end = min(limit, isInside ? range.upperBound : range.lowerBound)
      return Extent(isInside ? .unallocated : .unused, offset: offset, length: end - offset)
    }
    return Extent(.unused, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    buffer.fillWithZeroes()
    let wanted = offset..<(offset + UInt64(buffer.byteCount))
    var index = index(after: offset)
    while index < pieces.count, pieces[index].range.lowerBound < wanted.upperBound {
      let piece = pieces[index]
      let common = piece.range.clamped(to: wanted)
      var place = buffer.mutableSlice(Int(common.lowerBound - offset), common.count)
      try piece.contents.read(at: piece.from + (common.lowerBound - piece.range.lowerBound), into: &place)
      index += 1
    }
  }
}

/// Bytes in memory as a disk.
private struct ByteDisk: BlockSource {
  let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }
  var byteCount: UInt64 { UInt64(bytes.count) }
  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    buffer.copy(unsafe bytes.span.bytes.slice(Int(offset), buffer.byteCount), at: 0)
  }
}
