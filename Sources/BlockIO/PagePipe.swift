import CLinux
import Glibc

/// A pipe through which the page cache's own pages go from a file to a device, without being copied (splice(2)).
///
/// It belongs to one thread at a time.
package final class PagePipe {
  private let readEnd: CInt
  private let writeEnd: CInt
  /// How many bytes wait in it.
  package private(set) var count = 0

  /// Makes a pipe for `capacity` bytes, or for as many as the system allows; nil where there can be none.
  package init?(capacity: Int) {
    var ends: (CInt, CInt) = (-1, -1)
    guard capacity > 0, unsafe clinux_pipe(&ends.0, &ends.1) == 0 else { return nil }
    (readEnd, writeEnd) = ends
    // Where the limit of all pipes of a user is reached, a smaller one only takes more calls.
    _ = clinux_set_pipe_size(writeEnd, CInt(clamping: capacity))
  }

  deinit {
    close(readEnd)
    close(writeEnd)
  }

  /// Takes bytes of `range` from its byte `start` on, and says how many: none where the pipe is full, nil where the file
  /// cannot give them.
  package func take(_ range: StoredRange, from start: UInt64) -> UInt64? {
    while true {
      let taken = clinux_splice_from(
        range.file.descriptor, Int64(range.offset + start), writeEnd, Int(range.length - start))
      if taken > 0 {
        count += taken
        return UInt64(taken)
      }
      if taken == 0 { return nil }
      if errno == EAGAIN { return count > 0 ? 0 : nil }
      guard errno == EINTR else { return nil }
    }
  }

  /// Moves all that waits to the open file at `offset`; false where that fails, and then anything may have been written
  /// there and the pipe is of no use any more.
  package func empty(into file: borrowing OpenFile, at offset: UInt64) -> Bool {
    var position = offset
    while count > 0 {
      let moved = clinux_splice_to(readEnd, file.descriptor, Int64(clamping: position), count)
      if moved > 0 {
        count -= moved
        position += UInt64(moved)
      } else if moved == 0 || errno != EINTR {
        return false
      }
    }
    return true
  }
}
