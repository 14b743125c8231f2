import BlockIO
import Bytes

/// A byte array read front to back.
package final class ArrayStream: ByteStream {
  private let bytes: [UInt8]
  private var position = 0

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package func read(into buffer: inout MutableRawSpan) -> Int {
    let count = min(buffer.byteCount, bytes.count - position)
    bytes.withUnsafeBytes { from in
      buffer.withUnsafeMutableBytes { $0.copyMemory(from: .init(rebasing: from[position..<(position + count)])) }
    }
    position += count
    return count
  }
}
