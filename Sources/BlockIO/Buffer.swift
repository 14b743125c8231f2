/// Page-aligned memory with one owner.
@safe
package struct Buffer: ~Copyable, @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  /// Size in bytes.
  package let count: Int

  /// Takes `count` bytes, not cleared.
  package init(count: Int, alignment: Int = 4096) {
    unsafe base = .allocate(byteCount: max(count, 1), alignment: alignment)
    self.count = count
  }

  /// Takes `count` bytes of zero.
  package init(zeroes count: Int) {
    self.init(count: count)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: count)
  }

  deinit { unsafe base.deallocate() }

  /// The first `length` bytes, to read.
  @_lifetime(borrow self)
  package func prefix(_ length: Int) -> RawSpan {
    precondition(0...count ~= length)
    return unsafe _overrideLifetime(RawSpan(_unsafeStart: base, byteCount: length), borrowing: self)
  }

  /// The `length` bytes from `offset`, to read.
  @_lifetime(borrow self)
  package func slice(_ offset: Int, _ length: Int) -> RawSpan {
    precondition(offset >= 0 && length >= 0 && length <= count - offset)
    return unsafe _overrideLifetime(RawSpan(_unsafeStart: base + offset, byteCount: length), borrowing: self)
  }

  /// The first `length` bytes, to fill.
  @_lifetime(&self)
  package mutating func mutablePrefix(_ length: Int) -> MutableRawSpan {
    precondition(0...count ~= length)
    return unsafe _overrideLifetime(MutableRawSpan(_unsafeStart: base, byteCount: length), mutating: &self)
  }

  /// The `length` bytes from `offset`, to fill.
  @_lifetime(&self)
  package mutating func mutableSlice(_ offset: Int, _ length: Int) -> MutableRawSpan {
    precondition(offset >= 0 && length >= 0 && length <= count - offset)
    return unsafe _overrideLifetime(MutableRawSpan(_unsafeStart: base + offset, byteCount: length), mutating: &self)
  }

  /// Gives the whole buffer to `body` to fill, and returns how much of it `body` says it filled.
  package mutating func fill<Failure: Error>(
    _ body: (inout MutableRawSpan) throws(Failure) -> Int
  ) throws(Failure) -> Int {
    var span = mutablePrefix(count)
    return try body(&span)
  }

  /// Gives the `length` bytes from `offset` to `body` to fill; for buffers that are a class's property.
  package mutating func fill<Result, Failure: Error>(
    _ offset: Int, _ length: Int, _ body: (inout MutableRawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    var span = mutableSlice(offset, length)
    return try body(&span)
  }

  /// Gives the `length` bytes from `offset` to `body` to read; for buffers that are a class's property.
  package func withSlice<Result, Failure: Error>(
    _ offset: Int, _ length: Int, _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(slice(offset, length))
  }
}

/// Calls `write` with pieces of zeroes, at most 1 MiB each, that cover `count` bytes from `offset`.
package func forEachZeroPiece(
  at offset: UInt64, count: UInt64, _ write: (RawSpan, UInt64) throws -> Void
) throws {
  let zeroes = Buffer(zeroes: Int(min(count, 1 << 20)))
  var done: UInt64 = 0
  while done < count {
    let length = Int(min(count - done, UInt64(zeroes.count)))
    try write(zeroes.prefix(length), offset + done)
    done += UInt64(length)
  }
}
