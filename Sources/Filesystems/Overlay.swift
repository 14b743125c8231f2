package import BlockIO
import Bytes
import Threads

/// A volume with changes that are kept in memory: reads see them, the volume below never does.
///
/// For replaying a journal on what can only be read, and for trying a plan without writing.
package final class Overlay: BlockSource {
  private struct Pages {
    var pages: [UInt64: [UInt8]] = [:]
  }

  private let base: any BlockSource
  private let changed = Monitor(Pages())
  /// Size of a page in bytes.
  private static let pageSize = 4096
  /// Most bytes that changes may take.
  private let limit: Int

  /// Lays changes of at most `limit` bytes over `base`.
  package init(over base: any BlockSource, limit: Int = 64 << 20) {
    self.base = base
    self.limit = limit
  }

  package var byteCount: UInt64 { base.byteCount }

  /// Bytes of memory that changes take.
  package var heldByteCount: Int { changed.update { $0.pages.count } * Self.pageSize }

  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let found = try base.extent(at: offset, limit: limit)
    guard found.kind != .data else { return found }
    let page = UInt64(Self.pageSize)
    let isChanged = changed.update { pages in !pages.pages.isEmpty }
    guard isChanged else { return found }
    // Page by page: whether this page is changed decides, and the extent ends with it.
    let end = min(found.end, (offset / page + 1) * page)
    let here = changed.update { $0.pages[offset / page] != nil }
    return Extent(here ? .data : found.kind, offset: offset, length: end - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try base.read(at: offset, into: &buffer)
    guard changed.update({ !$0.pages.isEmpty }) else { return }
    let page = UInt64(Self.pageSize)
    var done = 0
    while done < buffer.byteCount {
      let position = offset + UInt64(done)
      let inPage = Int(position % page)
      let count = min(buffer.byteCount - done, Self.pageSize - inPage)
      if let bytes = changed.update({ $0.pages[position / page] }) {
        for index in 0..<count {
          buffer.storeBytes(of: bytes[inPage + index], toByteOffset: done + index, as: UInt8.self)
        }
      }
      done += count
    }
  }

  /// Changes the bytes at `offset`, which must lie inside the volume; throws `ImageError` when the changes grow past the limit.
  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    let page = UInt64(Self.pageSize)
    var done = 0
    while done < bytes.byteCount {
      let position = offset + UInt64(done)
      let inPage = Int(position % page)
      let count = min(bytes.byteCount - done, Self.pageSize - inPage)
      var contents = try contents(of: position / page)
      let piece = bytes.slice(done, count)
      for index in 0..<count { contents[inPage + index] = piece.littleEndian(at: index) }
      let kept = contents
      changed.update { $0.pages[position / page] = kept }
      done += count
    }
  }

  private func contents(of number: UInt64) throws -> [UInt8] {
    if let bytes = changed.update({ $0.pages[number] }) { return bytes }
    guard heldByteCount + Self.pageSize <= limit else {
      throw ImageError(
        .unsupported, format: "overlay",
        "the changes to keep in memory exceed \(describeSize(UInt64(limit))); repair the volume with its own checker first"
      )
    }
    let start = number * UInt64(Self.pageSize)
    let count = Int(min(UInt64(Self.pageSize), byteCount - start))
    var buffer = Buffer(zeroes: Self.pageSize)
    var span = buffer.mutablePrefix(count)
    try base.read(at: start, into: &span)
    return buffer.prefix(Self.pageSize).array
  }
}
