/// What lies where on a disk.
package protocol ExtentMap: Sendable {
  /// The disk's size in bytes.
  var byteCount: UInt64 { get }

  /// What lies at `offset` (below `byteCount`), as an extent that starts there and ends at or before `limit`
  /// (above `offset`, at most `byteCount`). Neighbouring extents may be of one kind.
  func extent(at offset: UInt64, limit: UInt64) throws -> Extent
}

/// A disk that any thread can read at any offset.
package protocol BlockSource: ExtentMap {
  /// Fills `buffer` with the bytes at `offset`; zero, unallocated and unused extents read as zeroes.
  /// The range must lie inside the disk.
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws
  /// Where a file holds the bytes from `offset`, at most to `limit`, as they are; nil where they are compressed, made up
  /// or out of reach. The range must lie inside the disk.
  func stored(at offset: UInt64, limit: UInt64) throws -> StoredRange?
}

extension BlockSource {
  package func stored(at offset: UInt64, limit: UInt64) throws -> StoredRange? { nil }
}

/// A disk that any thread can write at any offset.
package protocol BlockTarget: Sendable {
  /// The target's size in bytes.
  var byteCount: UInt64 { get }
  /// The unit, in bytes, that one write must hold whole and no two threads may share: a power of two, 512 at least.
  var sectorSize: Int { get }
  /// Whether what has not been written yet is known to read as zeroes.
  var isKnownZero: Bool { get }

  /// Writes all of `bytes` at `offset`.
  func write(_ bytes: RawSpan, at offset: UInt64) throws
  /// Whether a file's pages can be written to `range` as they are.
  func takesPages(_ range: Range<UInt64>) -> Bool
  /// Writes all that waits in `pages` at `offset`, without looking at it; false where that fails, and then anything may
  /// have been written there.
  func write(_ pages: PagePipe, at offset: UInt64) throws -> Bool
  /// Makes a range read as zeroes.
  func writeZeroes(at offset: UInt64, count: UInt64) throws
  /// Tells the device that a range's contents do not matter; whatever happens to them is right.
  func discard(at offset: UInt64, count: UInt64) throws
  /// Fills `buffer` with what the medium, not a cache, holds at `offset`.
  func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws
  /// The first byte from `offset` up to `limit` that may be other than zero, or `limit`: how holes are skipped.
  func nextStored(at offset: UInt64, limit: UInt64) -> UInt64
  /// Waits until all that was written is on the medium.
  func flush() throws
}

extension BlockTarget {
  package func nextStored(at offset: UInt64, limit: UInt64) -> UInt64 { offset }
  package var isKnownZero: Bool { false }
  package func takesPages(_ range: Range<UInt64>) -> Bool { false }
  package func write(_ pages: PagePipe, at offset: UInt64) throws -> Bool { false }
  package func discard(at offset: UInt64, count: UInt64) throws {}
}

/// A disk to read and write: what filesystem drivers patch.
package typealias BlockStore = BlockSource & BlockTarget

/// A disk decoded in one forward pass, such as a compressed image or a pipe.
///
/// A stream belongs to the thread that drains it.
package protocol ExtentStream: AnyObject {
  /// The size of the disk, if the format says it before the end.
  var byteCount: UInt64? { get }

  /// The next extent in ascending order without gaps; at most as long as `buffer`, which holds its bytes, if it is
  /// data, and of any length if it is not. Nil at the end, once the whole input has been checked.
  func next(into buffer: inout MutableRawSpan) throws -> Extent?

  /// The same for a stream that has the next `count` bytes, all data, in memory of its own: that becomes `buffer`, and the
  /// stream keeps what `buffer` was. Nil, with nothing done, where they have to be read.
  ///
  /// `buffer` holds `count` bytes at least, and is no smaller afterwards.
  func exchange(_ buffer: inout Buffer, count: Int) throws -> Extent?

  /// Where data lay among what was delivered, or nil where all of it was data or zero.
  ///
  /// Asked after the end, for reading the target again: what is left out here was not written.
  var map: (any ExtentMap)? { get }
}

extension ExtentStream {
  package var map: (any ExtentMap)? { nil }
  package func exchange(_ buffer: inout Buffer, count: Int) throws -> Extent? { nil }
}

/// Bytes that come once, front to back: a file, a pipe, a decompressor.
///
/// A stream belongs to one thread at a time.
package protocol ByteStream: AnyObject {
  /// Fills `buffer` from its start and returns how many bytes were there: fewer than asked for only at the end.
  func read(into buffer: inout MutableRawSpan) throws -> Int

  /// Gives the next `count` bytes where they are in memory of the stream's own: that becomes `buffer`, and the stream
  /// keeps what `buffer` was. False, with nothing done, where they have to be read.
  ///
  /// `buffer` is no smaller afterwards.
  func exchange(_ buffer: inout Buffer, count: Int) throws -> Bool
}

extension ByteStream {
  package func exchange(_ buffer: inout Buffer, count: Int) throws -> Bool { false }
}
