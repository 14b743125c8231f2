/// Sees the bytes of a stream as they pass by, in order, on whatever thread reads them: a checksum in the making.
package protocol ByteTap: AnyObject, Sendable {
  /// Takes in the next bytes.
  func take(_ bytes: RawSpan) throws
}

/// A stream whose bytes a tap sees.
package final class TappedStream: ByteStream {
  private let stream: any ByteStream
  private let tap: any ByteTap

  package init(_ stream: any ByteStream, _ tap: any ByteTap) {
    self.stream = stream
    self.tap = tap
  }

  package func read(into buffer: inout MutableRawSpan) throws -> Int {
    let count = try stream.read(into: &buffer)
    if count > 0 { try tap.take(buffer.bytes.extracting(first: count)) }
    return count
  }
}
