package import BlockIO

/// A disk as a one-pass stream with the same extents.
package final class StreamedDisk: ExtentStream {
  private let disk: any BlockSource
  private var offset: UInt64 = 0
  private let announced: UInt64?

  package init(_ disk: any BlockSource, announced: UInt64? = nil) {
    self.disk = disk
    self.announced = announced ?? disk.byteCount
  }

  package var byteCount: UInt64? { announced }
  package var map: (any ExtentMap)? { disk }

  package func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    guard offset < disk.byteCount else { return nil }
    var extent = try disk.extent(at: offset, limit: disk.byteCount)
    if extent.kind == .data {
      extent.length = min(extent.length, UInt64(buffer.byteCount))
      var front = buffer._mutatingExtracting(first: Int(extent.length))
      try disk.read(at: extent.offset, into: &front)
    }
    offset = extent.end
    return extent
  }
}
