package import BlockIO
import Bytes
import Glibc
import SystemPackage

/// Bytes that go to standard output or an open file in order, gathered to larger writes.
package final class OutputPipe {
  /// The name that errors give standard output.
  private static let standardOutputName: FilePath = "standard output"

  private let file: OpenFile
  private var buffer = Buffer(count: 64 << 10)
  private var held = 0
  /// Bytes taken so far.
  package private(set) var byteCount: UInt64 = 0

  package init(_ file: consuming OpenFile) { self.file = file }

  /// Standard output.
  package static func standardOutput() throws(DestinationError) -> OutputPipe {
    let descriptor = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3)
    guard descriptor >= 0 else {
      throw DestinationError(IOError("dup", standardOutputName, Errno(rawValue: errno)))
    }
    return OutputPipe(OpenFile(adopting: descriptor, path: standardOutputName))
  }

  /// Takes `bytes`.
  package func write(_ bytes: RawSpan) throws(DestinationError) {
    byteCount += UInt64(bytes.byteCount)
    if bytes.byteCount > buffer.count - held { try flush() }
    guard bytes.byteCount < buffer.count else { return try put(bytes) }
    let start = held
    buffer.fill(start, bytes.byteCount) { (span: inout MutableRawSpan) in span.copy(bytes, at: 0) }
    held += bytes.byteCount
  }

  /// Takes `bytes`.
  package func write(_ bytes: [UInt8]) throws(DestinationError) { try write(unsafe bytes.span.bytes) }

  /// Takes `line` and a newline.
  package func write(line: String) throws(DestinationError) { try write(Array(line.utf8) + [UInt8(ascii: "\n")]) }

  /// Takes `count` bytes of zero.
  package func writeZeroes(_ count: UInt64) throws {
    try forEachZeroPiece(at: 0, count: count) { piece, _ in try write(piece) }
  }

  /// Writes what is held.
  package func flush() throws(DestinationError) {
    let count = held
    held = 0
    guard count > 0 else { return }
    try buffer.withSlice(0, count) { (bytes: RawSpan) throws(DestinationError) in try put(bytes) }
  }

  private func put(_ bytes: RawSpan) throws(DestinationError) {
    do { try file.writeNext(bytes) } catch { throw DestinationError(error) }
  }
}
