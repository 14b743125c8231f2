package import BlockIO
import Bytes
import Glibc

/// Compressed bytes on their way into a decoder: what has been read and not used yet.
@safe
package final class CompressedInput {
  /// The codec's name, for messages.
  package let codec: String
  /// The file's name, for messages.
  package let name: String
  private let source: any ByteStream
  private let refill: Int
  private var base: UnsafeMutableRawPointer
  private var capacity: Int
  private var start = 0
  private var end = 0
  /// Offset in the compressed stream of the first unused byte.
  package private(set) var offset: UInt64
  /// Whether the source has no more bytes than those held here.
  package private(set) var isAtEnd = false

  /// Reads `source`, which starts at `offset` of the compressed stream, in units of `refill` bytes.
  package init(
    _ source: any ByteStream, codec: String, name: String, refill: Int = 256 << 10, offset: UInt64 = 0
  ) {
    self.offset = offset
    self.source = source
    self.codec = codec
    self.name = name
    self.refill = max(refill, 1)
    capacity = max(refill, 16)
    unsafe base = .allocate(byteCount: capacity, alignment: 4096)
  }

  deinit { unsafe base.deallocate() }

  /// How many unused bytes are held.
  package var count: Int { end - start }

  /// The first unused byte's address; `count` bytes are valid until the next `fill`.
  package var next: UnsafeMutablePointer<UInt8> {
    unsafe (base + start).assumingMemoryBound(to: UInt8.self)
  }

  /// The unused byte at `index`, which must be below `count`.
  package func byte(_ index: Int) -> UInt8 {
    precondition(0..<count ~= index)
    return unsafe base.load(fromByteOffset: start + index, as: UInt8.self)
  }

  /// The little-endian integer at `index`, which must lie inside the unused bytes.
  package func littleEndian<T: FixedWidthInteger & BitwiseCopyable>(_ index: Int, as type: T.Type = T.self) -> T {
    precondition(index >= 0 && index + MemoryLayout<T>.size <= count)
    return unsafe T(littleEndian: base.loadUnaligned(fromByteOffset: start + index, as: T.self))
  }

  /// A copy of `length` unused bytes from `index`.
  package func copy(_ index: Int, _ length: Int) -> [UInt8] {
    precondition(index >= 0 && length >= 0 && length <= count - index)
    return unsafe [UInt8](UnsafeRawBufferPointer(start: base + start + index, count: length))
  }

  /// Marks the first `length` unused bytes as used.
  package func consume(_ length: Int) {
    precondition(0...count ~= length)
    start += length
    offset += UInt64(length)
  }

  /// Reads on until `length` unused bytes are held; false if the source ends before.
  @discardableResult
  package func fill(_ length: Int) throws -> Bool {
    while count < length && !isAtEnd {
      makeRoom(length)
      let unit = min(refill, capacity - end)
      var span = unsafe MutableRawSpan(_unsafeStart: base + end, byteCount: unit)
      let got = try source.read(into: &span)
      end += got
      if got < unit { isAtEnd = true }
    }
    return count >= length
  }

  private func makeRoom(_ length: Int) {
    if start == end { (start, end) = (0, 0) }
    if start > 0 && (length > capacity - start || capacity - end < refill && start >= count) {
      unsafe memmove(base, base + start, count)
      (start, end) = (0, count)
    }
    guard length > capacity - start else { return }
    capacity = max(length + refill, min(capacity * 2, capacity + (1 << 20)))
    let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 4096)
    unsafe larger.copyMemory(from: base + start, byteCount: count)
    unsafe base.deallocate()
    unsafe base = larger
    (start, end) = (0, count)
  }

  /// Uses up `length` bytes, which need not have been read; an earlier end is an error.
  package func skip(_ length: Int) throws {
    var rest = length
    while rest > 0 {
      guard try fill(1) else { throw endsEarly() }
      let count = min(count, rest)
      consume(count)
      rest -= count
    }
  }

  /// Damage at the first unused byte, or at `offset`.
  package func damaged(_ detail: String, at offset: UInt64? = nil) -> ImageError {
    ImageError(.damaged, format: codec, file: name, offset: offset ?? self.offset, detail)
  }

  /// The input ended before the stream did.
  package func endsEarly() -> ImageError {
    let end = offset + UInt64(count)
    return damaged(
      "the \(codec) stream ends too early, after \(end) compressed bytes; the file is cut short or a piece is missing",
      at: end)
  }

  /// The compressed bytes contradict the format.
  package func corrupt(_ detail: String) -> ImageError {
    damaged("the \(codec) stream is damaged: \(detail)")
  }

  /// Something follows the end of the stream.
  package func trailingData() -> ImageError {
    damaged("there is data after the end of the \(codec) stream; it is damaged or something was appended")
  }

  /// The memory of a decoder cannot be had.
  package func outOfMemory() -> ImageError {
    ImageError(.unsupported, format: codec, file: name, offset: offset, "there is not enough memory to decode it")
  }
}
