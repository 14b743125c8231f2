/// A file, FIFO or terminal read front to back.
package final class FileByteStream: ByteStream {
  private let file: OpenFile

  package init(_ file: consuming OpenFile) { self.file = file }

  package func read(into buffer: inout MutableRawSpan) throws -> Int { try file.readNext(into: &buffer) }
}

/// A range of a disk read front to back.
package final class SourceByteStream: ByteStream {
  private let source: any BlockSource
  private var position: UInt64

  package init(_ source: any BlockSource, from position: UInt64 = 0) {
    self.source = source
    self.position = min(position, source.byteCount)
  }

  package func read(into buffer: inout MutableRawSpan) throws -> Int {
    let count = Int(min(UInt64(buffer.byteCount), source.byteCount - position))
    guard count > 0 else { return 0 }
    var front = buffer._mutatingExtracting(first: count)
    try source.read(at: position, into: &front)
    position += UInt64(count)
    return count
  }
}
