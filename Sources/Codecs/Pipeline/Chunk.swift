import Bytes
import Threads

/// Decoded bytes on their way from the thread that made them to the one that reads them.
@safe
package final class Chunk: @unchecked Sendable {
  /// How many bytes one holds where a decoder does not need larger ones.
  package static let usualCapacity = Allocator.passedBlockSize

  // Unchecked: a chunk is reachable from one thread at a time; it changes hands under the pipeline's lock.
  private let base: UnsafeMutableRawPointer
  /// How many bytes from the start hold data.
  package var count = 0
  /// How many bytes it can hold.
  package let capacity: Int

  package init(capacity: Int) {
    unsafe base = .allocate(byteCount: capacity, alignment: 4096)
    self.capacity = capacity
  }

  deinit { unsafe base.deallocate() }

  /// Appends what `body` writes to the free part; it returns how many bytes that was.
  package func append(_ body: (inout MutableRawSpan) throws -> Int) throws -> Int {
    var free = unsafe MutableRawSpan(_unsafeStart: base + count, byteCount: capacity - count)
    let added = try body(&free)
    precondition(0...(capacity - count) ~= added)
    count += added
    return added
  }

  /// Gives the `length` bytes from `offset` to `body`.
  package func withBytes<Result>(_ offset: Int, _ length: Int, _ body: (RawSpan) throws -> Result) rethrows -> Result {
    precondition(offset >= 0 && length >= 0 && length <= count - offset)
    return try body(unsafe RawSpan(_unsafeStart: base + offset, byteCount: length))
  }
}
