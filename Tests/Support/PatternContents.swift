package import BlockIO
import Filesystems

/// Contents that a rule makes, of any size.
package final class PatternContents: FileContents {
  package let byteCount: UInt64
  private static let unit = 1 << 16
  private let piece: [UInt8]

  package init(byteCount: UInt64) {
    self.byteCount = byteCount
    var random = SeededRandom(seed: 9)
    piece = (0..<(2 * Self.unit)).map { _ in UInt8.random(in: 0...255, using: &random) }
  }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    var done = 0
    while done < buffer.byteCount {
      let place = offset + UInt64(done)
      // Each unit starts elsewhere in the piece.
      let start = Int(place / UInt64(Self.unit) * 7919 % UInt64(Self.unit)) + Int(place % UInt64(Self.unit))
      let count = min(buffer.byteCount - done, Self.unit - Int(place % UInt64(Self.unit)))
      buffer.withUnsafeMutableBytes { to in
        piece.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(rebasing: to[done..<(done + count)]).copyMemory(
            from: .init(rebasing: $0[start..<(start + count)]))
        }
      }
      done += count
    }
  }

  /// SHA-256 of all bytes, by another program.
  package func sum() throws -> String {
    let scratch = try Scratch()
    let store = try FileStoreSink(scratch.file("all"), byteCount: byteCount)
    try store.write(self)
    return String(try scratch.shell("sha256sum <all").output.prefix(64))
  }
}

/// A file that contents are written to.
private struct FileStoreSink {
  let store: FileStore
  init(_ path: String, byteCount: UInt64) throws {
    try shell("truncate -s \(byteCount) '\(path)'")
    store = try FileStore(path)
  }

  func write(_ contents: any FileContents) throws {
    var buffer = Buffer(count: 1 << 20)
    var offset: UInt64 = 0
    while offset < contents.byteCount {
      let count = Int(min(1 << 20, contents.byteCount - offset))
      var bytes = buffer.mutablePrefix(count)
      try contents.read(at: offset, into: &bytes)
      try store.write(buffer.prefix(count), at: offset)
      offset += UInt64(count)
    }
  }
}
