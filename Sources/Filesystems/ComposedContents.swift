package import BlockIO
import Bytes

/// Contents of zeroes.
package final class ZeroContents: FileContents {
  package let byteCount: UInt64

  package init(byteCount: UInt64) { self.byteCount = byteCount }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.zero, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) { buffer.fillWithZeroes() }
}

/// The start of a file's contents with others behind it.
package final class JoinedContents: FileContents {
  private let first: any FileContents
  private let firstCount: UInt64
  private let second: any FileContents
  package let byteCount: UInt64

  /// The first `firstCount` bytes of `first`, then `second`; the sum must not overflow.
  package init(_ first: any FileContents, upTo firstCount: UInt64, _ second: any FileContents) {
    self.first = first
    self.firstCount = firstCount
    self.second = second
    byteCount = firstCount + second.byteCount
  }

  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    guard offset >= firstCount else { return try first.extent(at: offset, limit: min(limit, firstCount)) }
    let found = try second.extent(at: offset - firstCount, limit: limit - firstCount)
    return Extent(found.kind, offset: offset, length: found.length)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    let front = offset < firstCount ? Int(min(UInt64(buffer.byteCount), firstCount - offset)) : 0
    if front > 0 {
      var place = buffer.mutableSlice(0, front)
      try first.read(at: offset, into: &place)
    }
    guard front < buffer.byteCount else { return }
    var place = buffer.mutableSlice(front, buffer.byteCount - front)
    try second.read(at: offset + UInt64(front) - firstCount, into: &place)
  }
}
