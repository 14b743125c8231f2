import BlockIO
import Bytes
import Threads

/// Decoded bytes on their way from the thread that made them to the one that reads them.
package final class Chunk: @unchecked Sendable {
  /// How many bytes one holds where a decoder does not need larger ones.
  package static let usualCapacity = Allocator.passedBlockSize
  /// Bytes of memory behind those: buffers that it is exchanged for have room for a sector there.
  private static let slack = 4096

  // Unchecked: a chunk is reachable from one thread at a time; it changes hands under the pipeline's lock.
  private var buffer: Buffer
  /// How many bytes from the start hold data.
  package var count = 0
  /// How many bytes it can hold.
  package let capacity: Int

  package init(capacity: Int) {
    buffer = Buffer(count: capacity + Self.slack)
    self.capacity = capacity
  }

  /// Appends what `body` writes to the free part; it returns how many bytes that was.
  package func append(_ body: (inout MutableRawSpan) throws -> Int) throws -> Int {
    let added = try buffer.fill(count, capacity - count, body)
    precondition(0...(capacity - count) ~= added)
    count += added
    return added
  }

  /// Gives the `length` bytes from `offset` to `body`.
  package func withBytes<Result>(_ offset: Int, _ length: Int, _ body: (RawSpan) throws -> Result) rethrows -> Result {
    precondition(offset >= 0 && length >= 0 && length <= count - offset)
    return try buffer.withSlice(offset, length, body)
  }

  /// Exchanges its memory, with the bytes in it, for that of `other`; false where one of the two is too small for that.
  func exchange(_ other: inout Buffer) -> Bool {
    guard other.count >= capacity, buffer.count >= other.count else { return false }
    swap(&buffer, &other)
    return true
  }
}
