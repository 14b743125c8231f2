// The exFAT driver over a volume whose start the fuzzer writes.
//
// Input: a byte for the volume's size, a byte of options, then the volume's start. Unless the options' lowest bit is set,
// the checksums of boot regions, entry sets and the up-case table are made right first.

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

/// Puts a little-endian integer somewhere, if it fits there.
func put<T: FixedWidthInteger>(_ value: T, in bytes: inout [UInt8], at place: Int) {
  guard place >= 0, place + T.bitWidth / 8 <= bytes.count else { return }
  for index in 0..<(T.bitWidth / 8) { bytes[place + index] = UInt8(truncatingIfNeeded: value >> T(8 * index)) }
}

func mendBootRegions(_ bytes: inout [UInt8]) {
  guard bytes.count > 120, 9...12 ~= bytes[108] else { return }
  let size = 1 << Int(bytes[108])
  for region in 0..<2 where (region + 1) * 12 * size <= bytes.count {
    let start = region * 12 * size
    let sum = BootRegion.checksum(bytes.span.bytes.slice(start, 11 * size))
    for place in stride(from: 0, to: size, by: 4) { put(sum, in: &bytes, at: start + 11 * size + place) }
  }
}

func mendEntries(_ bytes: inout [UInt8]) {
  guard bytes.count > 512, 9...12 ~= bytes[108], bytes[109] < 17 else { return }
  let little = { [bytes] (place: Int) in (0..<4).reduce(UInt64(0)) { $0 | UInt64(bytes[place + $1]) << UInt64(8 * $1) }
  }
  let heap = little(88) << UInt64(bytes[108])
  let cluster = UInt64(1) << UInt64(bytes[108] + bytes[109])
  for place in stride(from: Int(min(heap, UInt64(bytes.count))), to: bytes.count - 31, by: 32) {
    if bytes[place] == 0x85 {
      let count = (Int(bytes[place + 1]) + 1) * 32
      guard place + count <= bytes.count else { continue }
      put(EntrySet.checksum(bytes.span.bytes.slice(place, count)), in: &bytes, at: place + 2)
    } else if bytes[place] == 0x82 {
      let start = heap + (max(little(place + 20), 2) - 2) * cluster
      let count = little(place + 24)
      guard start < UInt64(bytes.count), count <= UInt64(bytes.count) - start else { continue }
      put(UpcaseTable.checksum(bytes.span.bytes.slice(Int(start), Int(count))), in: &bytes, at: place + 4)
    }
  }
}

/// Looks at one volume in every way there is; libFuzzer calls it by its C name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let input = Array(UnsafeBufferPointer(start: data, count: count))
  guard input.count > 2 else { return 0 }
  var start = Array(input.dropFirst(2))
  if input[1] & 1 == 0 {
    mendBootRegions(&start)
    mendEntries(&start)
  }
  let disk = FuzzDisk(byteCount: max(sizes[Int(input[0]) % sizes.count], UInt64(start.count)), start: start)
  do {
    _ = try FilesystemType.exFAT.probe(disk)
    let bounds = FileSurvey.Bounds(fileCount: 25, byteCount: 32 << 10)
    let damage = try FileSurvey.damage(of: disk, bounds: bounds) { try ExFATVolume($0) }
    precondition(damage.allSatisfy { !$0.isEmpty })
  } catch {
    fatalError("an error of another type: \(error)")
  }
  return 0
}
