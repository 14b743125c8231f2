import BlockIO
import Bytes
import Images
import Support
import SystemPackage
import Testing

extension Scratch {
  /// Opens an image in the folder.
  func open(_ name: String, _ options: ImageOptions = ImageOptions()) throws -> Image {
    let source = try FileSource(FilePath(file(name)))
    return try ImageFormat.qcow2.open(
      ImageInput(bytes: .file(source), path: FilePath(file(name)), options: options))
  }

  /// The error that opening, mapping and reading an image gives; fails where there is none.
  func failure(_ name: String, _ options: ImageOptions = ImageOptions()) throws -> any Error {
    do {
      let image = try open(name, options)
      _ = try contents(of: image.disk)
      _ = try map(of: image.disk)
    } catch { return error }
    throw Unexpected("\(name) was read without an error")
  }

  /// Like `failure`, for an `ImageError`.
  func imageError(_ name: String, _ options: ImageOptions = ImageOptions()) throws -> ImageError {
    let error = try failure(name, options)
    guard let error = error as? ImageError else { throw Unexpected("\(error) is no ImageError") }
    return error
  }

  /// Overwrites bytes of a file.
  func patch(_ name: String, at offset: UInt64, _ bytes: [UInt8]) throws {
    let file = try OpenFile(FilePath(file(name)), .readWrite)
    try file.write(bytes.span.bytes, at: offset)
  }

  /// Overwrites a big-endian number of a file.
  func patch<T: FixedWidthInteger>(_ name: String, at offset: UInt64, _ value: T) throws {
    let size = MemoryLayout<T>.size
    let bytes = (0..<size).map { UInt8(truncatingIfNeeded: value >> T((size - 1 - $0) * 8)) }
    try patch(name, at: offset, bytes)
  }

  /// A big-endian number of a file.
  func number<T: FixedWidthInteger>(_ name: String, at offset: UInt64, as type: T.Type = T.self) throws -> T {
    let source = try FileSource(FilePath(file(name)))
    var bytes = [UInt8](repeating: 0, count: MemoryLayout<T>.size)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    try source.read(at: offset, into: &raw)
    return bytes.reduce(0) { $0 << 8 | T($1) }
  }

  /// All bytes of a file.
  func bytes(_ name: String) throws -> [UInt8] { try contents(of: FileSource(FilePath(file(name)))) }
}

/// A test's own complaint.
struct Unexpected: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

extension Image {
  /// The disk of an image that can be read anywhere.
  var disk: any BlockSource {
    get throws {
      guard case .disk(let disk) = content else { throw Unexpected("no random access") }
      return disk
    }
  }
}

/// All bytes of a disk, read in pieces of `step` bytes.
func contents(of disk: any BlockSource, step: Int = 1 << 20) throws -> [UInt8] {
  var bytes = [UInt8](repeating: 0xee, count: Int(disk.byteCount))
  var offset = 0
  while offset < bytes.count {
    let count = min(step, bytes.count - offset)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    var part = raw.mutableSlice(offset, count)
    try disk.read(at: UInt64(offset), into: &part)
    offset += count
  }
  return bytes
}

/// A disk's map, neighbours of one kind joined; throws unless it covers the disk without gaps.
func map(of disk: any BlockSource, limit: UInt64? = nil) throws -> [Extent] {
  var extents: [Extent] = []
  var offset: UInt64 = 0
  while offset < disk.byteCount {
    let end = limit.map { min(disk.byteCount, (offset / $0 + 1) * $0) } ?? disk.byteCount
    let extent = try disk.extent(at: offset, limit: end)
    guard extent.offset == offset, extent.length > 0, extent.end <= end else {
      throw Unexpected("the extent \(extent) does not start at \(offset) or ends after \(end)")
    }
    if let last = extents.last, last.kind == extent.kind {
      extents[extents.count - 1].length += extent.length
    } else {
      extents.append(extent)
    }
    offset = extent.end
  }
  return extents
}

/// Checks an image against what qemu-img makes of it: contents in several piece sizes, and the map.
func compare(
  _ scratch: Scratch, _ name: String, _ options: ImageOptions = ImageOptions(), snapshot: String = ""
) throws {
  try scratch.shell("qemu-img convert \(snapshot) -O raw \(name) expected.raw")
  let expected = try scratch.bytes("expected.raw")
  let disk = try scratch.open(name, options).disk
  // qemu-img leaves out what follows the last whole sector.
  try #require(expected.count == Int(disk.byteCount.roundedDown(to: 512)))
  for step in [2 << 20, 1 << 20, 12_345 * 7] {
    let read = try contents(of: disk, step: step)
    if read.prefix(expected.count) == expected[...] { continue }
    let first = expected.indices.first { read[$0] != expected[$0] }
    Issue.record("\(name): the first difference is at \(first ?? 0), in steps of \(step)")
  }
  let whole = try map(of: disk)
  #expect(try map(of: disk, limit: 100_000) == whole)
  for extent in whole where extent.kind != .data {
    let end = min(expected.count, Int(extent.end))
    let isZero = expected.span.bytes.slice(Int(extent.offset), end - Int(extent.offset)).isAllZero
    #expect(isZero, "\(extent) of \(name) is not zero")
  }
}
