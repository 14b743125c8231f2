package import BlockIO
import Bytes

/// A file's contents in a chain of clusters; those past its valid length were never written and read as zeroes.
package final class ClusterContents: FileContents {
  package let byteCount: UInt64
  /// Bytes that were written, at most `byteCount`.
  private let validByteCount: UInt64
  /// Nil for a file without clusters.
  private let chain: ClusterChain?

  /// `chain` must be there where `validByteCount` is not 0.
  package init(_ chain: ClusterChain?, byteCount: UInt64, validByteCount: UInt64) {
    self.chain = chain
    self.byteCount = byteCount
    self.validByteCount = chain == nil ? 0 : min(validByteCount, byteCount)
  }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    offset < validByteCount
      ? Extent(.data, offset: offset, length: min(limit, validByteCount) - offset)
      : Extent(.zero, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    let valid = offset < validByteCount ? Int(min(UInt64(buffer.byteCount), validByteCount - offset)) : 0
    if valid < buffer.byteCount {
      var tail = buffer._mutatingExtracting(valid..<buffer.byteCount)
      tail.fillWithZeroes()
    }
    guard valid > 0, let chain else { return }
    var front = buffer._mutatingExtracting(0..<valid)
    try chain.read(at: offset, into: &front)
  }
}
