import BlockIO
import Bytes
import Images
import Partitions

/// Where the partition table of an image is read from before the image is written.
enum TableSource {
  /// An image with random access.
  case disk(any BlockSource)
  /// The first bytes of a stream, and the disk's size if it is known.
  case start([UInt8], byteCount: UInt64?)

  /// The disk's size in bytes, if it is known.
  var byteCount: UInt64? {
    switch self {
    case .disk(let disk): disk.byteCount
    case .start(_, let byteCount): byteCount
    }
  }

  /// The table, as far as it can be read; nil where there is none or it is too damaged to say anything about.
  func table(hint: Int) -> PartitionTable? {
    switch self {
    case .disk(let disk): try? PartitionTable.read(from: disk, sectorSizeHint: hint)
    case .start(let bytes, let byteCount):
      try? PartitionTable.read(from: StartOfDisk(bytes, byteCount: byteCount ?? 1 << 50), sectorSizeHint: hint)
    }
  }

  /// The sectors that hold the table.
  func sectors(diskByteCount: UInt64) throws -> TableSectors {
    switch self {
    case .disk(let disk): try TableSectors.find(on: disk)
    case .start(let bytes, let byteCount):
      try TableSectors.announced(
        by: StartOfDisk(bytes, byteCount: diskByteCount), diskByteCount: byteCount ?? diskByteCount)
    }
  }
}

/// A disk of which only the first bytes are known; the rest reads as zeroes.
private struct StartOfDisk: BlockSource {
  let bytes: [UInt8]
  let byteCount: UInt64

  init(_ bytes: [UInt8], byteCount: UInt64) {
    self.bytes = bytes
    self.byteCount = byteCount
  }

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    buffer.fillWithZeroes()
    guard offset < UInt64(bytes.count) else { return }
    let count = min(buffer.byteCount, bytes.count - Int(offset))
    buffer.copy(unsafe bytes.span.bytes.slice(Int(offset), count), at: 0)
  }
}

/// A stream whose first bytes were looked at before the copy.
final class PeekedStream: ExtentStream {
  private let stream: any ExtentStream
  /// The first extent's bytes, if it is data from the disk's start.
  let start: [UInt8]
  private var replayed = 0
  private var first: Extent?

  /// Decodes the first extent of `stream`, up to 1 MiB.
  init(_ stream: any ExtentStream) throws {
    self.stream = stream
    var buffer = Buffer(count: 1 << 20)
    var found: Extent?
    let count = try buffer.fill { span in
      found = try stream.next(into: &span)
      return found?.kind == .data ? Int(found?.length ?? 0) : 0
    }
    first = found
    start = buffer.prefix(count).array
  }

  var byteCount: UInt64? { stream.byteCount }
  var map: (any ExtentMap)? { stream.map }

  func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    guard let extent = first else { return try stream.next(into: &buffer) }
    guard extent.kind == .data else {
      first = nil
      return extent
    }
    let count = min(buffer.byteCount, start.count - replayed)
    let bytes = start  // a span cannot borrow from a class's property
    buffer.copy(unsafe bytes.span.bytes.slice(replayed, count), at: 0)
    defer { replayed += count }
    if replayed + count == start.count { first = nil }
    return Extent(.data, offset: extent.offset + UInt64(replayed), length: UInt64(count))
  }

  func exchange(_ buffer: inout Buffer, count: Int) throws -> Extent? {
    first == nil ? try stream.exchange(&buffer, count: count) : nil
  }
}
