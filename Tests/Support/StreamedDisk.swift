package import BlockIO

/// A disk as a one-pass stream with the same extents.
package final class StreamedDisk: ExtentStream {
  private let disk: any BlockSource
  private var offset: UInt64 = 0
  private let announced: UInt64?
  private let exchanges: Bool
  /// How often it gave memory of its own.
  package private(set) var exchangeCount = 0

  /// Where it `exchanges`, data come in memory of its own if they are asked for so.
  package init(_ disk: any BlockSource, announced: UInt64? = nil, exchanges: Bool = false) {
    self.disk = disk
    self.announced = announced ?? disk.byteCount
    self.exchanges = exchanges
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

  package func exchange(_ buffer: inout Buffer, count: Int) throws -> Extent? {
    guard exchanges, offset + UInt64(count) <= disk.byteCount else { return nil }
    let extent = try disk.extent(at: offset, limit: offset + UInt64(count))
    guard extent.kind == .data, extent.length == UInt64(count) else { return nil }
    var own = Buffer(count: buffer.count)
    var span = own.mutablePrefix(count)
    try disk.read(at: offset, into: &span)
    swap(&own, &buffer)
    offset = extent.end
    exchangeCount += 1
    return extent
  }
}
