import BlockIO
import Bytes
import Images
import Support
import SystemPackage
import Testing

/// How an image is handed over and restored.
enum Way: Sendable, CustomTestStringConvertible, Hashable {
  /// As a seekable file, read in chunks of this many bytes.
  case file(Int)
  /// As a stream, into buffers of this many bytes.
  case stream(Int)

  var testDescription: String {
    switch self {
    case .file(let size): "file, \(size)"
    case .stream(let size): "stream, \(size)"
    }
  }

  static let all: [Way] = [
    .file(1 << 20), .file(5000), .file(96 << 10), .stream(1 << 20), .stream(7), .stream(4096), .stream(100_000),
    .stream(5 << 20),
  ]
  static let fast: [Way] = [.file(1 << 20), .file(300_000), .stream(1 << 20), .stream(100_000), .stream(5 << 20)]
}

/// Opens an image's bytes.
func open(_ bytes: [UInt8], as way: Way, _ options: ImageOptions = ImageOptions()) throws -> Image {
  let input: ImageInput.Bytes =
    switch way {
    case .file: .file(MemoryDisk(bytes))
    case .stream: .stream(ArrayStream(bytes))
    }
  return try ImageFormat.partclone.open(ImageInput(bytes: input, path: "test.img", options: options))
}

/// What came out of an image.
struct Restored {
  /// The partition, `fill` where nothing was stored.
  var disk: [UInt8]
  /// How many bytes were stored.
  var stored: UInt64 = 0
  var map: (any ExtentMap)?

  var crc32: UInt32 { CRC32.of(disk.span.bytes) }

  /// Restores all of an image over a partition full of `fill`; what was delivered before an error is in `progress`.
  init(_ image: Image, _ way: Way, fill: UInt8 = 0, progress: ((Extent) -> Void)? = nil) throws {
    disk = [UInt8](repeating: fill, count: Int(try #require(image.byteCount)))
    switch image.content {
    case .disk(let source):
      guard case .file(let size) = way else { throw Unexpected() }
      try restore(source, chunk: size, progress)
      map = source
    case .stream(let stream):
      let size =
        switch way {
        case .file(let size), .stream(let size): size
        }
      try restore(stream, bufferSize: size, progress)
      map = stream.map
      try #require(map != nil)
    }
  }

  struct Unexpected: Error {}

  private mutating func put(_ bytes: RawSpan, at offset: UInt64) {
    disk.withUnsafeMutableBytes { to in
      bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(rebasing: to[Int(offset)...]).copyMemory(from: $0) }
    }
    stored += UInt64(bytes.byteCount)
  }

  private mutating func restore(_ source: any BlockSource, chunk: Int, _ progress: ((Extent) -> Void)?) throws {
    var buffer = Buffer(count: chunk)
    var offset: UInt64 = 0
    while offset < source.byteCount {
      let extent = try source.extent(at: offset, limit: min(source.byteCount, offset + UInt64(chunk)))
      try #require(extent.offset == offset && extent.length > 0 && extent.length <= UInt64(chunk))
      if extent.kind == .data {
        var bytes = buffer.mutablePrefix(Int(extent.length))
        try source.read(at: offset, into: &bytes)
        put(bytes.bytes, at: offset)
      } else {
        try #require(extent.kind == .unused)
      }
      progress?(extent)
      offset = extent.end
    }
  }

  private mutating func restore(
    _ stream: any ExtentStream, bufferSize: Int, _ progress: ((Extent) -> Void)?
  ) throws {
    var buffer = Buffer(count: bufferSize)
    var offset: UInt64 = 0
    while true {
      var span = buffer.mutablePrefix(bufferSize)
      guard let extent = try stream.next(into: &span) else { break }
      try #require(extent.offset == offset && extent.length > 0)
      if extent.kind == .data {
        try #require(extent.length <= UInt64(bufferSize))
        put(buffer.prefix(Int(extent.length)), at: offset)
      } else {
        try #require(extent.kind == .unused)
      }
      progress?(extent)
      offset = extent.end
    }
    try #require(offset == UInt64(disk.count))
    var again = buffer.mutablePrefix(bufferSize)
    let after = try stream.next(into: &again)
    #expect(after == nil)
  }
}

/// How many bytes a map says are data, found by walking it in pieces of `step` bytes.
func dataBytes(_ map: any ExtentMap, step: UInt64 = .max) throws -> UInt64 {
  var (sum, offset): (UInt64, UInt64) = (0, 0)
  while offset < map.byteCount {
    let extent = try map.extent(at: offset, limit: min(map.byteCount, offset.adding(step) ?? .max))
    try #require(extent.offset == offset && extent.length > 0 && extent.end <= map.byteCount)
    if extent.kind == .data { sum += extent.length }
    offset = extent.end
  }
  return sum
}
