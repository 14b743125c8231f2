import BlockIO
import Bytes
import Images
import Support
import SystemPackage
import Testing

/// A case of TestImages/ntfsclone or partimage: an image that the real tools made, or a variant of one.
struct Backup: Sendable, CustomTestStringConvertible {
  let format: String
  let name: String

  static let folder = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/TestImages"
  static let all: [Backup] = ["ntfsclone", "partimage"].flatMap { format in
    let list = (try? shell("cd '\(folder)/\(format)' && ls *.json").output) ?? ""
    return list.split(separator: "\n").map { Backup(format: format, name: String($0.dropLast(5))) }
  }

  var testDescription: String { "\(format) \(name)" }

  /// Unpacks the case's volumes as `img.000` and so on, or `img` alone.
  func unpack(into folder: Scratch) throws -> String {
    let first = try said("volumes") > 1 ? "img.000" : "img"
    try folder.shell(
      """
      at='\(Self.folder)/\(format)/\(name).img.zst'
      zstd -dqf "$at" -o \(first)
      for one in "$at".*; do test ! -e "$one" || zstd -dqf "$one" -o "img.${one##*.}"; done
      """)
    return folder.path + "/" + first
  }

  /// The first volume's bytes.
  var image: [UInt8] {
    get throws {
      let folder = try Scratch()
      return try contents(try unpack(into: folder))
    }
  }

  /// A number of the case's JSON.
  func said(_ key: String) throws -> UInt64 {
    let text = try shell("cat '\(Self.folder)/\(format)/\(name).json'").output
    for line in text.split(whereSeparator: { "{},\n".contains($0) }) {
      let parts = line.split(separator: ":")
      if parts.count == 2, parts[0].contains("\"\(key)\""), let number = UInt64(parts[1].filter { $0 != " " }) {
        return number
      }
    }
    throw Wrong(description: "\(name).json does not say \(key)")
  }
}

/// All bytes of a file.
func contents(_ path: String) throws -> [UInt8] {
  let file = try FileSource(FilePath(path))
  return try bytes(of: file, 0, Int(file.byteCount))
}

/// Bytes of a disk.
func bytes(of disk: any BlockSource, _ offset: UInt64, _ count: Int) throws -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  guard count > 0 else { return [] }
  var span = bytes.mutableSpan
  var raw = span.mutableBytes
  try disk.read(at: offset, into: &raw)
  return bytes
}

/// What a test cannot go on past.
struct Wrong: Error {
  let description: String
}

/// How an image is handed over and read.
enum Way: Sendable, CustomTestStringConvertible, Hashable {
  /// As a seekable file, read in chunks of this many bytes.
  case file(Int)
  /// As a stream, into buffers of this many bytes.
  case stream(Int)

  var testDescription: String { "\(self)" }
  var size: Int {
    switch self {
    case .file(let size), .stream(let size): size
    }
  }

  static let all: [Way] = [.file(1 << 20), .file(5000), .stream(1 << 20), .stream(100_001), .stream(4096)]
  static let two: [Way] = [.file(1 << 20), .stream(1 << 20)]
}

/// Opens an image's bytes by what they start with.
func open(
  _ bytes: [UInt8], as way: Way, path: FilePath? = nil, _ options: ImageOptions = ImageOptions()
) throws -> Image {
  let input: ImageInput.Bytes =
    switch way {
    case .file: .file(MemoryDisk(bytes))
    case .stream: .stream(ArrayStream(bytes))
    }
  let format = ImageFormat.detect(bytes.span.bytes)
  return try format.open(ImageInput(bytes: input, path: path, options: options))
}

/// What came out of an image, as far as it came.
struct Restored {
  /// The partition, `fill` where nothing was stored.
  var disk: [UInt8] = []
  var stored: UInt64 = 0
  var map: (any ExtentMap)?
  /// What ended the reading.
  var error: (any Error)?
  /// Stored ranges in the order in which they came.
  var ranges: [Range<Int>] = []

  var crc32: UInt64 { UInt64(CRC32.of(disk.span.bytes)) }

  /// Restores as much of an image as can be had.
  init(_ bytes: [UInt8], _ way: Way, path: FilePath? = nil, _ options: ImageOptions = ImageOptions(), fill: UInt8 = 0) {
    do {
      let image = try open(bytes, as: way, path: path, options)
      disk = [UInt8](repeating: fill, count: Int(image.byteCount ?? 0))
      try restore(image.content, way.size)
    } catch { self.error = error }
  }

  /// Restores all of an image.
  init(_ content: Image.Content, size: Int, byteCount: UInt64) throws {
    disk = [UInt8](repeating: 0, count: Int(byteCount))
    try restore(content, size)
  }

  private mutating func restore(_ content: Image.Content, _ size: Int) throws {
    var buffer = Buffer(count: size)
    var offset: UInt64 = 0
    while true {
      let extent: Extent
      switch content {
      case .disk(let source):
        map = source
        guard offset < source.byteCount else { return }
        extent = try source.extent(at: offset, limit: min(source.byteCount, offset + UInt64(size)))
        if extent.kind == .data {
          var part = buffer.mutablePrefix(Int(extent.length))
          try source.read(at: offset, into: &part)
        }
      case .stream(let stream):
        var part = buffer.mutablePrefix(size)
        guard let next = try stream.next(into: &part) else {
          map = stream.map
          guard offset == UInt64(disk.count), map != nil else { throw Wrong(description: "ends at \(offset)") }
          return
        }
        extent = next
      }
      guard extent.offset == offset, extent.length > 0, extent.end <= UInt64(disk.count),
        extent.kind == .data || extent.kind == .unused
      else { throw Wrong(description: "\(extent) at \(offset) of \(disk.count)") }
      if extent.kind == .data {
        let range = Int(extent.offset)..<Int(extent.end)
        disk.withUnsafeMutableBytes { to in
          buffer.prefix(range.count).withUnsafeBytes {
            UnsafeMutableRawBufferPointer(rebasing: to[range]).copyMemory(from: $0)
          }
        }
        stored += extent.length
        ranges.append(range)
      }
      offset = extent.end
    }
  }

  /// Whether all that came is what `sound` has in its place.
  func isPart(of sound: Restored) -> Bool { ranges.allSatisfy { disk[$0] == sound.disk[$0] } }
}

/// How many bytes a map says are data, found by walking it in pieces of `step` bytes.
func dataBytes(_ map: any ExtentMap, step: UInt64) throws -> UInt64 {
  var (sum, offset): (UInt64, UInt64) = (0, 0)
  while offset < map.byteCount {
    let extent = try map.extent(at: offset, limit: min(map.byteCount, offset + step))
    guard extent.offset == offset, extent.length > 0 else { throw Wrong(description: "\(extent)") }
    if extent.kind == .data { sum += extent.length }
    offset = extent.end
  }
  return sum
}
