package import BlockIO
import Bytes

/// A byte stream with a count of what was read and a look ahead.
package final class StreamReader {
  private let stream: any ByteStream
  private var buffer: Buffer
  private var start = 0
  private var end = 0
  /// How many bytes are read ahead for small reads, 0 for none; large reads go straight to the caller's memory.
  package var readAhead: Int
  /// Offset in the stream of the next byte.
  package private(set) var offset: UInt64 = 0

  package init(_ stream: any ByteStream, readAhead: Int = 64 << 10) {
    self.stream = stream
    self.readAhead = readAhead
    buffer = Buffer(count: max(readAhead, 1))
  }

  /// Fills `target` from its start and returns how many bytes were there: fewer only at the end.
  package func read(into target: inout MutableRawSpan) throws -> Int {
    var done = take(into: &target, at: 0)
    let rest = target.byteCount - done
    guard rest > 0 else { return done }
    if rest < readAhead {
      try refill()
      done += take(into: &target, at: done)
    } else {
      var tail = target.mutableSlice(done, rest)
      let count = try stream.read(into: &tail)
      done += count
      offset += UInt64(count)
    }
    return done
  }

  /// Passes over `count` bytes; false if the stream ends before.
  package func skip(_ count: UInt64) throws -> Bool {
    var rest = count
    var scratch = Buffer(count: Int(min(count, 64 << 10)))
    while rest > 0 {
      let piece = Int(min(rest, UInt64(scratch.count)))
      var span = scratch.mutablePrefix(piece)
      guard try read(into: &span) == piece else { return false }
      rest -= UInt64(piece)
    }
    return true
  }

  /// Calls `body` with the next `count` bytes, fewer at the end, without passing over them.
  package func peek<Result>(_ count: Int, _ body: (RawSpan) -> Result) throws -> Result {
    if end - start < count {
      var larger = Buffer(count: max(count, readAhead, end - start))
      let kept = end - start
      var front = larger.mutablePrefix(larger.count)
      front.copy(buffer.slice(start, kept), at: 0)
      let added = try larger.fill(kept, max(count, readAhead) - kept) { room in try stream.read(into: &room) }
      buffer = larger
      start = 0
      end = kept + added
    }
    return buffer.withSlice(start, min(count, end - start), body)
  }

  private func take(into target: inout MutableRawSpan, at position: Int) -> Int {
    let count = min(end - start, target.byteCount - position)
    guard count > 0 else { return 0 }
    target.copy(buffer.slice(start, count), at: position)
    start += count
    offset += UInt64(count)
    return count
  }

  /// Fills the empty buffer.
  private func refill() throws {
    if buffer.count < readAhead { buffer = Buffer(count: readAhead) }
    (start, end) = (0, 0)
    end = try buffer.fill(0, readAhead) { room in try stream.read(into: &room) }
  }
}
