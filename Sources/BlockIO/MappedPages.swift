import CLinux

/// Address space into which ranges of files are laid, so that what the page cache holds of them is written from there
/// without being copied first.
///
/// A page that cannot be read, since its file has become shorter or its disk fails, reads as zeroes and is counted. It
/// belongs to one thread at a time.
@safe
package final class MappedPages {
  private let base: UnsafeMutableRawPointer
  private let guardNumber: CInt
  /// Size in bytes: whole pages.
  package let count: Int
  /// What offsets in files and in here are multiples of, in bytes.
  package static let pageSize = clinux_page_size()

  /// Reserves room for `count` bytes; nil where the system has none, or too many are in use.
  package init?(count: Int) {
    guard count > 0 else { return nil }
    let whole = (count + Self.pageSize - 1) / Self.pageSize * Self.pageSize
    guard let base = unsafe clinux_reserve(whole) else { return nil }
    let number = unsafe clinux_guard(base, whole)
    guard number >= 0 else {
      _ = unsafe clinux_unmap(base, whole)
      return nil
    }
    unsafe self.base = unsafe base
    guardNumber = number
    self.count = whole
  }

  deinit {
    clinux_unguard(guardNumber)
    _ = unsafe clinux_unmap(base, count)
  }

  /// How many pages could not be read so far.
  package var lostCount: UInt32 { clinux_lost_pages(guardNumber) }

  /// Lays a range of a file over the bytes from `position`; false where that cannot be: it is not on pages' borders or
  /// the file's filesystem refuses it.
  package func lay(_ range: StoredRange, at position: Int) -> Bool {
    let page = UInt64(Self.pageSize)
    guard position >= 0, position % Self.pageSize == 0, range.offset % page == 0, range.length > 0,
      range.length <= UInt64(count), position <= count - Int(range.length)
    else { return false }
    return unsafe clinux_map_file(base + position, Int(range.length), range.file.descriptor, Int64(range.offset)) == 0
  }

  /// Whether the page cache holds the first and the last of the `length` bytes from `position`, which have been laid: the
  /// kernel reads ahead in order, so that it hardly ever lacks what lies between.
  package func areCached(_ length: Int, from position: Int) -> Bool {
    precondition(length > 0 && position >= 0 && position <= count - length)
    let last = (position + length - 1) / Self.pageSize * Self.pageSize
    return isCached(last) && isCached(position)
  }

  private func isCached(_ position: Int) -> Bool { unsafe clinux_is_page_cached(base + position) != 0 }

  /// Gives the first `length` bytes, all of which have been laid, to `body`.
  package func withBytes<Result>(_ length: Int, _ body: (RawSpan) throws -> Result) rethrows -> Result {
    precondition(0...count ~= length)
    return try body(unsafe RawSpan(_unsafeStart: base, byteCount: length))
  }
}
