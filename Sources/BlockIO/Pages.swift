import CLinux

/// Zeroed memory that takes room only where it has been written to, for sizes that come out of a file.
@safe
package struct Pages: ~Copyable, @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  /// Size in bytes.
  package let count: Int

  /// Reserves `count` bytes (mmap(2)); nil where the address space or a limit of the process has no room for them.
  package init?(count: Int) {
    guard count >= 0, let base = unsafe clinux_map_zeroed(max(count, 1)) else { return nil }
    unsafe self.base = unsafe base
    self.count = count
  }

  deinit { _ = unsafe clinux_unmap(base, max(count, 1)) }

  /// All the bytes.
  package var bytes: RawSpan {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(RawSpan(_unsafeStart: base, byteCount: count), borrowing: self) }
  }

  /// The `length` bytes from `offset`, to fill.
  @_lifetime(&self)
  package mutating func mutableSlice(_ offset: Int, _ length: Int) -> MutableRawSpan {
    precondition(offset >= 0 && length >= 0 && length <= count - offset)
    return unsafe _overrideLifetime(MutableRawSpan(_unsafeStart: base + offset, byteCount: length), mutating: &self)
  }
}
