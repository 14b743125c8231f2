package import BlockIO
import Filesystems

/// A file's contents in memory; whole zero pieces of 4 KiB are holes.
package final class BytesContents: FileContents {
  private let bytes: [UInt8]
  private static let unit = 4096

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package var byteCount: UInt64 { UInt64(bytes.count) }

  private func isHole(_ piece: Int) -> Bool {
    let range = piece * Self.unit..<min((piece + 1) * Self.unit, bytes.count)
    return bytes[range].allSatisfy { $0 == 0 }
  }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    var piece = Int(offset) / Self.unit
    let kind = isHole(piece)
    repeat { piece += 1 } while piece * Self.unit < min(Int(limit), bytes.count) && isHole(piece) == kind
    let end = min(UInt64(piece * Self.unit), limit, byteCount)
    return Extent(kind ? .unallocated : .data, offset: offset, length: end - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    let count = buffer.byteCount
    buffer.withUnsafeMutableBytes { to in
      bytes.withUnsafeBytes { to.copyMemory(from: .init(rebasing: $0[Int(offset)..<(Int(offset) + count)])) }
    }
  }
}
