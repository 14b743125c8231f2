import BlockIO
import Bytes
import Filesystems

/// Bytes in memory, cut or followed by a hole.
final class CutContents: FileContents {
  private let bytes: [UInt8]
  let byteCount: UInt64

  init(_ bytes: [UInt8], byteCount: UInt64) {
    self.bytes = Array(bytes.prefix(Int(clamping: byteCount)))
    self.byteCount = byteCount
  }

  func extent(at offset: UInt64, limit: UInt64) -> Extent {
    let start = UInt64(bytes.count)
    guard offset >= start else { return Extent(.data, offset: offset, length: min(limit, start) - offset) }
    return Extent(.unallocated, offset: offset, length: limit - offset)
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    buffer.fillWithZeroes()
    guard offset < UInt64(bytes.count) else { return }
    let bytes = bytes
    buffer.copy(bytes.raw.slice(Int(offset), min(bytes.count - Int(offset), buffer.byteCount)), at: 0)
  }
}
