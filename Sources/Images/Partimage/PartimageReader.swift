import BlockIO
import Bytes

/// A partimage image's bytes in order, with the sum of those read.
final class PartimageReader {
  let volumes: PartimageVolumes
  private let reader: StreamReader
  private let errors: BackupErrors
  /// The sum of all bytes read, for the tail.
  private(set) var sum: UInt64 = 0

  init(_ volumes: PartimageVolumes, errors: BackupErrors) {
    self.volumes = volumes
    self.errors = errors
    reader = StreamReader(volumes)
  }

  /// Offset of the next byte, in bytes from the end of the first volume's header.
  var offset: UInt64 { reader.offset }

  /// Whether anything follows.
  func hasMore() throws -> Bool { try reader.peek(1) { $0.byteCount } > 0 }

  /// Fills `buffer` and returns how many bytes were there, fewer only at the end.
  func read(into buffer: inout MutableRawSpan) throws -> Int {
    let count = try reader.read(into: &buffer)
    sum &+= ByteSum.unsigned(buffer.bytes.slice(0, count))
    return count
  }

  /// Reads `count` bytes and calls `body` with them; `what` they are goes into an error.
  func withNext<Result>(_ count: Int, of what: String, _ body: (RawSpan) throws -> Result) throws -> Result {
    var buffer = Buffer(count: count)
    var span = buffer.mutablePrefix(count)
    guard try read(into: &span) == count else { throw endsEarly(in: what) }
    return try body(buffer.prefix(count))
  }

  /// Passes over `count` bytes.
  func skip(_ count: UInt64, of what: String) throws {
    var rest = count
    var scratch = Buffer(count: Int(min(count, 64 << 10)))
    while rest > 0 {
      var span = scratch.mutablePrefix(Int(min(rest, UInt64(scratch.count))))
      guard try read(into: &span) == span.byteCount else { throw endsEarly(in: what) }
      rest -= UInt64(span.byteCount)
    }
  }

  /// The image ends, or its next volume cannot be had; what keeps it away is said where that is known.
  func endsEarly(in what: String, target: UInt64 = 0) -> any Error {
    if let ending = volumes.ending as? ImageError { return ending }
    let missing = (volumes.ending as? IOError).map { "; its next volume is missing: \($0)" } ?? ""
    return damaged("the image ends inside \(what)\(missing); copy it again or go on with --rescue", target: target)
  }

  /// Damage at `place`, or where the next byte is; the place is told in the volume that holds it.
  func damaged(_ detail: String, at place: UInt64? = nil, target: UInt64? = nil) -> ImageError {
    let (volume, offset) = volumes.place(of: place ?? reader.offset)
    return errors.damaged(volume == 0 ? detail : "in volume \(volume), \(detail)", image: offset, target: target)
  }
}
