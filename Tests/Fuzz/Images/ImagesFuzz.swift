// Everything that opens and decodes an image, over a file that the fuzzer writes.
//
// Input: a byte of options (1 stream, 2 rescue, 4 ignore checksums, 8 take checksums as they are, upper four bits a
// format, 0 being what is detected), then the file.

/// A file in memory.
struct FuzzFile: BlockSource {
  let bytes: [UInt8]
  var byteCount: UInt64 { UInt64(bytes.count) }

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    precondition(offset + UInt64(buffer.byteCount) <= byteCount, "read past the end of the file")
    buffer.copy(bytes.span.bytes.slice(Int(offset), buffer.byteCount), at: 0)
  }
}

/// Makes the checksum of a partclone 0002 header right.
func mend(_ bytes: inout [UInt8]) {
  guard bytes.count >= 110, bytes.starts(with: "partclone-image".utf8) else { return }
  let sum = ~CRC32.of(bytes.span.bytes.slice(0, 106))
  for index in 0..<4 { bytes[106 + index] = UInt8(truncatingIfNeeded: sum >> (8 * UInt32(index))) }
}

/// Walks a disk, reading what it says is there, as far as `steps` extents go.
func walk(_ disk: any BlockSource, steps: Int) throws {
  var buffer = Buffer(count: 1 << 16)
  var offset: UInt64 = 0
  for _ in 0..<steps where offset < disk.byteCount {
    let limit = min(disk.byteCount, offset.adding(1 << 16) ?? .max)
    let extent = try disk.extent(at: offset, limit: limit)
    precondition(extent.offset == offset && extent.length > 0 && extent.end <= limit, "an extent out of its bounds")
    var span = buffer.mutablePrefix(Int(extent.length))
    try disk.read(at: offset, into: &span)
    offset = extent.end
  }
  // The end too, which the walk may not have come to.
  let last = min(disk.byteCount, 4096)
  var span = buffer.mutablePrefix(Int(last))
  try disk.read(at: disk.byteCount - last, into: &span)
}

func drain(_ stream: any ExtentStream) throws {
  var buffer = Buffer(count: 1 << 18)
  var offset: UInt64 = 0
  for _ in 0..<4000 {
    var span = buffer.mutablePrefix(1 << 18)
    guard let extent = try stream.next(into: &span) else { return }
    precondition(extent.offset == offset && extent.length > 0, "a stream with gaps")
    precondition(extent.kind != .data || extent.length <= 1 << 18, "more data than the buffer holds")
    offset = extent.end
  }
}

/// Opens and reads one file; libFuzzer calls it by its C name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard count > 1 else { return 0 }
  let choice = data[0]
  var bytes = Array(UnsafeBufferPointer(start: data + 1, count: count - 1))
  if choice & 8 == 0 { mend(&bytes) }
  var options = ImageOptions()
  options.rescues = choice & 2 != 0
  options.ignoresChecksums = choice & 4 != 0
  options.forcesCorrupt = true
  let input: ImageInput.Bytes = choice & 1 != 0 ? .stream(MemoryByteStream(bytes)) : .file(FuzzFile(bytes: bytes))
  let forced = Int(choice >> 4)
  let format =
    forced > 0 ? ImageFormat.all[forced % ImageFormat.all.count] : ImageFormat.detect(bytes.span.bytes)
  if choice & 1 != 0 && !format.isStreamable { return 0 }
  do {
    let image = try format.open(ImageInput(bytes: input, path: nil, options: options))
    _ = image.facts.json
    _ = image.internals.json
    switch image.content {
    case .disk(let disk): try walk(disk, steps: 300)
    case .stream(let stream): try drain(stream)
    }
  } catch let error as ImageError {
    precondition(!error.description.isEmpty)
  } catch let error as IOError {
    precondition(!error.description.isEmpty)
  } catch {
    // Streams and damage have their own errors, all with a sentence.
    precondition(!"\(error)".isEmpty && !(error is LayoutError), "an error without its place: \(error)")
  }
  return 0
}
