import Bytes
import SystemPackage

/// A target that takes reads and writes of any range, whatever its sectors: what filesystem drivers change.
///
/// A write that covers sectors only in part reads them first. Reads show what the medium holds, past any cache. Two
/// threads may not write to one sector at a time.
package final class SectorStore: BlockSource, BlockTarget {
  private let target: any BlockTarget
  /// The unit of reads and writes in bytes.
  private let sector: UInt64
  /// Most bytes that are moved at once.
  private static let pieceSize: UInt64 = 1 << 20

  package init(_ target: any BlockTarget) {
    self.target = target
    sector = UInt64(max(target.sectorSize, 512))
  }

  package var byteCount: UInt64 { target.byteCount }
  package var sectorSize: Int { 1 }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try forEachPiece(at: offset, count: buffer.byteCount) { range, done, count in
      var sectors = Buffer(count: Int(range.upperBound - range.lowerBound))
      var span = sectors.mutablePrefix(sectors.count)
      try target.readBack(at: range.lowerBound, into: &span)
      var place = buffer.mutableSlice(done, count)
      place.copy(sectors.slice(Int(offset + UInt64(done) - range.lowerBound), count), at: 0)
    }
  }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try read(at: offset, into: &buffer)
  }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    try forEachPiece(at: offset, count: bytes.byteCount) { range, done, count in
      let start = offset + UInt64(done)
      // Always through a buffer, since only that is known to lie where O_DIRECT wants it.
      var sectors = Buffer(count: Int(range.upperBound - range.lowerBound))
      if start > range.lowerBound {
        try readSector(at: range.lowerBound, end: range.upperBound, into: &sectors, from: range.lowerBound)
      }
      let last = (start + UInt64(count) - 1).roundedDown(to: sector)
      if start + UInt64(count) < range.upperBound, last > range.lowerBound || start == range.lowerBound {
        try readSector(at: last, end: range.upperBound, into: &sectors, from: range.lowerBound)
      }
      var place = sectors.mutableSlice(Int(start - range.lowerBound), count)
      place.copy(bytes.slice(done, count), at: 0)
      try target.write(sectors.prefix(sectors.count), at: range.lowerBound)
    }
  }

  /// Reads the sector at `offset`, which `end` may cut short, into a buffer that stands for the bytes from `start`.
  private func readSector(at offset: UInt64, end: UInt64, into buffer: inout Buffer, from start: UInt64) throws {
    var span = buffer.mutableSlice(Int(offset - start), Int(min(sector, end - offset)))
    try target.readBack(at: offset, into: &span)
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    guard let end = offset.adding(count), count > 0 else { return }
    let (first, last) = (min(up(offset), end), max(end == byteCount ? end : end.roundedDown(to: sector), offset))
    guard first < last else { return try forEachZeroPiece(at: offset, count: count) { try write($0, at: $1) } }
    try forEachZeroPiece(at: offset, count: first - offset) { try write($0, at: $1) }
    try target.writeZeroes(at: first, count: last - first)
    try forEachZeroPiece(at: last, count: end - last) { try write($0, at: $1) }
  }

  package func discard(at offset: UInt64, count: UInt64) {}

  package func flush() throws { try target.flush() }

  /// The border of sectors at or behind `offset`, or the target's end.
  private func up(_ offset: UInt64) -> UInt64 { min(offset.roundedUp(to: sector) ?? byteCount, byteCount) }

  /// Calls `body` with ranges of whole sectors, at most a piece each and cut only by the target's end, that cover `count`
  /// bytes from `offset`, and which of these bytes lie in them.
  private func forEachPiece(
    at offset: UInt64, count: Int, _ body: (_ sectors: Range<UInt64>, _ done: Int, _ count: Int) throws -> Void
  ) throws {
    var done = 0
    while done < count {
      let start = (offset + UInt64(done)).roundedDown(to: sector)
      let wanted = offset + UInt64(count)
      let end = up(min(wanted, start + Self.pieceSize))
      let here = Int(min(wanted, end) - offset) - done
      // What lies past the end is nobody's: the target says so.
      guard here > 0 else { throw IOError("write", "the volume", .invalidArgument, offset: offset) }
      try body(start..<end, done, here)
      done += here
    }
  }
}
