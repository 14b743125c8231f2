import BlockIO
import Bytes
import Filesystems

/// Bytes in memory and contents behind them.
final class JoinedContents: FileContents {
  private let bytes: [UInt8]
  private let rest: any FileContents
  let byteCount: UInt64

  init(_ bytes: [UInt8], _ rest: any FileContents) {
    self.bytes = bytes
    self.rest = rest
    byteCount = UInt64(bytes.count) + rest.byteCount
  }

  func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let start = UInt64(bytes.count)
    guard offset >= start else { return Extent(.data, offset: offset, length: min(limit, start) - offset) }
    var extent = try rest.extent(at: offset - start, limit: limit - start)
    extent.offset += start
    return extent
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    let start = UInt64(bytes.count)
    let count = offset < start ? Int(min(start - offset, UInt64(buffer.byteCount))) : 0
    let bytes = bytes
    if count > 0 { buffer.copy(bytes.raw.slice(Int(offset), count), at: 0) }
    guard count < buffer.byteCount else { return }
    var behind = buffer.mutableSlice(count, buffer.byteCount - count)
    try rest.read(at: offset + UInt64(count) - start, into: &behind)
  }
}

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
