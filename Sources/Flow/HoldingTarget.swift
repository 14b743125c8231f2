package import BlockIO
import Bytes
import Threads

/// A target that keeps what is written to some ranges in memory, to be put on the medium last.
///
/// Reading shows the target as it will be: with what is held back laid over it.
package final class HoldingTarget: BlockTarget {
  /// A range that is held back and what it shall hold.
  package struct Held: Sendable {
    package let offset: UInt64
    package fileprivate(set) var bytes: [UInt8]
    var range: Range<UInt64> { offset..<(offset + UInt64(bytes.count)) }
  }

  private let target: any BlockTarget
  /// Ascending, apart from each other, on sector borders.
  private let held: Monitor<[Held]>

  /// Holds back `ranges` (ascending, apart, on sector borders), which begin as the target's old contents if
  /// `keepsOld`, else as zeroes.
  package init(_ target: any BlockTarget, holding ranges: [Range<UInt64>], keepsOld: Bool) throws {
    self.target = target
    held = Monitor(
      try ranges.map { range in
        guard keepsOld else { return Held(offset: range.lowerBound, bytes: [UInt8](repeating: 0, count: range.count)) }
        var old = Buffer(count: range.count)
        var span = old.mutablePrefix(range.count)
        try target.readBack(at: range.lowerBound, into: &span)
        return Held(offset: range.lowerBound, bytes: old.prefix(range.count).array)
      })
  }

  package var byteCount: UInt64 { target.byteCount }
  package var sectorSize: Int { target.sectorSize }

  /// What is held back at the moment.
  package var contents: [Held] { held.update { $0 } }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    try forEachPart(offset..<(offset + UInt64(bytes.byteCount))) { range, isHeld in
      let part = bytes.slice(Int(range.lowerBound - offset), range.count)
      guard isHeld else { return try target.write(part, at: range.lowerBound) }
      let copy = part.array
      held.update { Self.put(copy, at: range.lowerBound, in: &$0) }
    }
  }

  package func takesPages(_ range: Range<UInt64>) -> Bool {
    !held.update { $0.contains { $0.range.overlaps(range) } } && target.takesPages(range)
  }

  package func write(_ pages: PagePipe, at offset: UInt64) throws -> Bool { try target.write(pages, at: offset) }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try forEachPart(offset..<(offset + count)) { range, isHeld in
      guard isHeld else { return try target.writeZeroes(at: range.lowerBound, count: UInt64(range.count)) }
      held.update { Self.put([UInt8](repeating: 0, count: range.count), at: range.lowerBound, in: &$0) }
    }
  }

  package func discard(at offset: UInt64, count: UInt64) throws {
    try forEachPart(offset..<(offset + count)) { range, isHeld in
      if !isHeld { try target.discard(at: range.lowerBound, count: UInt64(range.count)) }
    }
  }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try target.readBack(at: offset, into: &buffer)
    let range = offset..<(offset + UInt64(buffer.byteCount))
    for one in contents where one.range.overlaps(range) {
      let common = one.range.clamped(to: range)
      let from = Int(common.lowerBound - one.offset)
      let bytes = one.bytes
      var place = buffer.mutableSlice(Int(common.lowerBound - offset), common.count)
      place.copy(unsafe bytes.span.bytes.slice(from, common.count), at: 0)
    }
  }

  package func flush() throws { try target.flush() }

  /// Cuts a range where what is held back begins and ends.
  private func forEachPart(_ range: Range<UInt64>, _ body: (Range<UInt64>, Bool) throws -> Void) throws {
    let ranges = held.update { $0.map(\.range) }
    var cursor = range.lowerBound
    for one in ranges where one.overlaps(range) {
      let common = one.clamped(to: range)
      if cursor < common.lowerBound { try body(cursor..<common.lowerBound, false) }
      try body(common, true)
      cursor = common.upperBound
    }
    if cursor < range.upperBound { try body(cursor..<range.upperBound, false) }
  }

  /// Puts bytes that lie wholly inside one held range.
  private static func put(_ bytes: [UInt8], at offset: UInt64, in held: inout [Held]) {
    guard let index = held.firstIndex(where: { $0.range.contains(offset) }) else { return }
    let start = Int(offset - held[index].offset)
    held[index].bytes.replaceSubrange(start..<(start + bytes.count), with: bytes)
  }
}

/// A target read as a disk, whatever alignment its sectors ask for.
package struct TargetSource: BlockSource {
  private let target: any BlockTarget

  package init(_ target: any BlockTarget) { self.target = target }

  package var byteCount: UInt64 { target.byteCount }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    guard buffer.byteCount > 0 else { return }
    let sector = UInt64(max(target.sectorSize, 512))
    let start = offset.aligned(down: sector)
    let end = min((offset + UInt64(buffer.byteCount)).aligned(up: sector), byteCount)
    let count = Int(end - start)
    var aligned = Buffer(count: count)
    var span = aligned.mutablePrefix(count)
    try target.readBack(at: start, into: &span)
    buffer.copy(aligned.slice(Int(offset - start), buffer.byteCount), at: 0)
  }
}
