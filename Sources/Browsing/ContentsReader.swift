import BlockIO
import Bytes
package import Filesystems

/// Reads files' contents in pieces, through one buffer for all of them.
package final class ContentsReader {
  private var buffer: Buffer
  private let isStopped: () -> Bool

  /// Size of a piece in bytes.
  package static let pieceSize = 1 << 20

  /// `isStopped` is asked before each piece.
  package init(isStopped: @escaping () -> Bool) {
    buffer = Buffer(count: Self.pieceSize)
    self.isStopped = isStopped
  }

  /// Calls `body` with the bytes from `start` to `end` of `contents`, piece by piece, holes as zeroes.
  package func forEachPiece(
    of contents: any FileContents, from start: UInt64 = 0, to end: UInt64,
    _ body: (_ bytes: RawSpan, _ offset: UInt64) throws -> Void
  ) throws {
    var offset = start
    while offset < end {
      if isStopped() { throw Stopped() }
      let count = Int(min(UInt64(Self.pieceSize), end - offset))
      try buffer.fill(0, count) { try contents.read(at: offset, into: &$0) }
      try buffer.withSlice(0, count) { try body($0, offset) }
      offset += UInt64(count)
    }
  }

  /// Writes all of the regular file at `place` to `output`.
  package func write(_ place: PathWalk.Place, of filesystem: any Filesystem, to output: OutputPipe) throws {
    let kind = try filesystem.attributes(of: place.file).kind
    guard kind == .regular else {
      throw FileError(kind == .directory ? .isADirectory : .notARegularFile, place.path)
    }
    let contents = try filesystem.contents(of: place.file)
    try forEachPiece(of: contents, to: contents.byteCount) { bytes, _ in try output.write(bytes) }
  }

  /// Calls `body` with the ranges of `contents` that are stored, in order, neighbours joined, each at least a byte long.
  package func forEachStoredRange(
    of contents: any FileContents, _ body: (_ range: Range<UInt64>) throws -> Void
  ) throws {
    var offset: UInt64 = 0
    let end = contents.byteCount
    var waiting: Range<UInt64>?
    while offset < end {
      if isStopped() { throw Stopped() }
      let extent = try contents.extent(at: offset, limit: end)
      let next = max(min(extent.end, end), offset + 1)
      if extent.kind == .data {
        waiting = (waiting?.lowerBound ?? offset)..<next
      } else if let range = waiting {
        try body(range)
        waiting = nil
      }
      offset = next
    }
    if let waiting { try body(waiting) }
  }
}

/// The user has stopped the command.
package struct Stopped: Error, Sendable, CustomStringConvertible {
  package init() {}
  package var description: String { "stopped by the user" }
}
