package import BlockIO
import Bytes

extension ImageFormat {
  /// Raw: the disk's bytes as they are.
  package static let raw = ImageFormat(name: "raw", isStreamable: true, probe: { _ in true }) { input in
    switch input.bytes {
    case .file(let file):
      // A machine may run from a raw image too.
      if let file = file as? FileSource, !input.options.forcesShare { try QemuLock.take(file, format: "raw") }
      return Image(format: "raw", content: .disk(file), facts: ["virtual-size": .size(file.byteCount)])
    case .stream(let bytes): return Image(format: "raw", content: .stream(RawStream(bytes)))
    }
  }
}

/// A raw disk read front to back; its size shows at its end.
package final class RawStream: ExtentStream {
  private let bytes: any ByteStream
  private var offset: UInt64 = 0

  package init(_ bytes: any ByteStream) { self.bytes = bytes }

  package var byteCount: UInt64? { nil }

  package func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    let count = UInt64(try bytes.read(into: &buffer))
    return count > 0 ? data(count) : nil
  }

  package func exchange(_ buffer: inout Buffer, count: Int) throws -> Extent? {
    try bytes.exchange(&buffer, count: count) ? data(UInt64(count)) : nil
  }

  /// The extent of the next `count` bytes.
  private func data(_ count: UInt64) -> Extent {
    defer { offset += count }
    return Extent(.data, offset: offset, length: count)
  }
}
