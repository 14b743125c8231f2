// Everything that reads a disk's table and magic numbers, over a disk whose start and end the fuzzer writes.
//
// Input: a byte for the disk's size, a byte of options, the start's length in sectors of 512 bytes (two bytes), the
// start, and what lies at the end of the disk.

/// A disk of zeroes but for its start and end.
struct FuzzDisk: BlockSource {
  let byteCount: UInt64
  var start: [UInt8]
  var end: [UInt8]

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    precondition(offset + UInt64(buffer.byteCount) <= byteCount, "read past the end of the disk")
    precondition(buffer.byteCount <= 17 << 20, "one read of \(buffer.byteCount) bytes")
    buffer.fillWithZeroes()
    copy(start, from: 0, to: &buffer, at: offset)
    copy(end, from: byteCount - UInt64(end.count), to: &buffer, at: offset)
  }

  /// Copies what `bytes`, which lie at `place`, and the buffer, which is for `offset`, share.
  private func copy(_ bytes: [UInt8], from place: UInt64, to buffer: inout MutableRawSpan, at offset: UInt64) {
    let first = max(place, offset)
    let last = min(place + UInt64(bytes.count), offset + UInt64(buffer.byteCount))
    guard first < last else { return }
    buffer.copy(bytes.raw.slice(Int(first - place), Int(last - first)), at: Int(first - offset))
  }
}

/// Makes the checksums of a GPT header at `place` right, and those of its entries if they lie in `bytes`, whose first
/// byte is byte `base` of the disk.
func mendChecksums(_ bytes: inout [UInt8], at place: Int, sectorSize: UInt64, base: UInt64) {
  guard place >= 0, place + 92 <= bytes.count else { return }
  let block = Block(offset: 0, bytes: bytes)
  let array = block.little(place + 72, UInt64.self).multiplied(by: sectorSize) ?? 0
  let length = UInt64(block.little(place + 80, UInt32.self)) * UInt64(block.little(place + 84, UInt32.self))
  if array >= base, array - base < UInt64(bytes.count), length <= UInt64(bytes.count) - (array - base) {
    put(CRC32.of(bytes.raw.slice(Int(array - base), Int(length))), in: &bytes, at: place + 88)
  }
  let size = Int(block.little(place + 12, UInt32.self))
  guard 92...4096 ~= size, place + size <= bytes.count else { return }
  let header = Array(bytes[place..<(place + size)])
  put(GPTHeader.checksum(of: header.raw, size: size), in: &bytes, at: place + 16)
}

func put(_ value: UInt32, in bytes: inout [UInt8], at place: Int) {
  for index in 0..<4 { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt32(index))) }
}

func disk(_ input: [UInt8]) -> FuzzDisk? {
  guard input.count >= 4 else { return nil }
  let rest = input.dropFirst(4)
  let length = min((Int(input[2]) | Int(input[3]) << 8) * 512, rest.count)
  var start = Array(rest.prefix(length))
  var end = Array(rest.dropFirst(length))
  let least = UInt64(start.count + end.count)
  let sizes: [UInt64] = [least, 1 << 20, 64 << 20, 8 << 30, 10 << 40, 1 << 62, least + 513]
  let size = max(sizes[Int(input[0]) % sizes.count], least)
  let base = size - UInt64(end.count)
  if input[1] & 1 == 0 {
    for sectorSize in [512, 4096] {
      mendChecksums(&start, at: sectorSize, sectorSize: UInt64(sectorSize), base: 0)
      mendChecksums(&end, at: end.count - sectorSize, sectorSize: UInt64(sectorSize), base: base)
    }
  }
  return FuzzDisk(byteCount: size, start: start, end: end)
}

func checkTable(_ table: PartitionTable, on disk: FuzzDisk) throws {
  var cursor: UInt64 = 0
  for region in table.regions {
    precondition(region.start == cursor && region.byteCount > 0, "regions leave a gap or overlap")
    cursor = region.end
  }
  precondition(cursor == disk.byteCount, "regions end at \(cursor)")
  if table.partitions.count <= 64 {
    if table.partitions.count % 2 == 0 { _ = try table.facts(on: disk).json } else { _ = try table.rows(on: disk) }
  }
  let sectors = table.sectors
  _ = sectors.union(try .find(on: disk), sectorSize: 4096, diskByteCount: disk.byteCount)
  for size in [disk.byteCount / 2, disk.byteCount, disk.byteCount + 4096, 1 << 63] {
    guard let writes = try? table.relocateBackupGPT(newDiskByteCount: size) else { continue }
    for write in writes {
      precondition(write.offset + UInt64(write.bytes.count) <= size, "a write past the end of the disk")
      for partition in table.partitions {
        precondition(
          partition.end <= write.offset || partition.start >= write.offset + UInt64(write.bytes.count)
            || partition.start < UInt64(table.sectorSize) * 2 + (32 << 20),
          "a write over partition \(partition.number)")
      }
    }
  }
}

/// Reads one disk in every way there is; libFuzzer calls it by its C name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard let disk = disk(Array(UnsafeBufferPointer(start: data, count: count))) else { return 0 }
  let hint = [nil, 512, 4096, 7][Int(data[1] >> 1) % 4]
  do {
    _ = try FilesystemSignature.all(disk)
    _ = try TableSectors.announced(by: disk, diskByteCount: disk.byteCount)
    _ = try TableSectors.find(on: disk)
    if let table = try PartitionTable.read(from: disk, sectorSizeHint: hint) { try checkTable(table, on: disk) }
  } catch let error as ImageError {
    precondition(!error.description.isEmpty)
  } catch {
    fatalError("an error of another type: \(error)")
  }
  return 0
}
