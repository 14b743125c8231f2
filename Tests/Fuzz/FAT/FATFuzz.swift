// The FAT driver over a volume whose start the fuzzer writes.
//
// Input: a byte for the volume's size, then its start.

/// A disk of zeroes but for its start.
struct FuzzDisk: BlockSource {
  let byteCount: UInt64
  var start: [UInt8]

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    precondition(offset <= byteCount && UInt64(buffer.byteCount) <= byteCount - offset, "read past the end of the disk")
    precondition(buffer.byteCount <= 1 << 20, "one read of \(buffer.byteCount) bytes")
    buffer.fillWithZeroes()
    guard offset < UInt64(start.count) else { return }
    let count = min(buffer.byteCount, start.count - Int(offset))
    buffer.copy(start.span.bytes.slice(Int(offset), count), at: 0)
  }
}

/// What the survey throws where a driver breaks its promises.
struct ShellError: Error {
  let description: String
}

/// Sizes of the volume in bytes; 0 for that of the input.
let sizes: [UInt64] = [0, 1 << 20, 4 << 20, 8 << 20, 1440 << 10]

/// Looks at one volume in every way there is; libFuzzer calls it by its C name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: data, count: count))
  guard let first = input.first else { return 0 }
  let start = Array(input.dropFirst())
  let disk = FuzzDisk(byteCount: max(sizes[Int(first) % sizes.count], UInt64(start.count)), start: start)
  do {
    _ = try FilesystemType.fat.probe(disk)
    let bounds = FileSurvey.Bounds(fileCount: 25, byteCount: 32 << 10)
    let damage = try FileSurvey.damage(of: disk, bounds: bounds) { try FATVolume($0) }
    precondition(damage.allSatisfy { !$0.isEmpty })
  } catch {
    fatalError("an error of another type: \(error)")
  }
  return 0
}
