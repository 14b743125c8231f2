// Everything that reads an ext2/3/4 volume, over a disk whose blocks of 1 KiB the fuzzer writes.
//
// Input: a byte for the disk's size, a byte of options, then blocks: a number of two bytes and 1024 bytes each.

/// A disk of zeroes but for some blocks.
struct FuzzDisk: BlockSource {
  let byteCount: UInt64
  var blocks: [UInt64: [UInt8]] = [:]

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    precondition(offset + UInt64(buffer.byteCount) <= byteCount, "read past the end of the disk")
    precondition(buffer.byteCount <= 17 << 20, "one read of \(buffer.byteCount) bytes")
    buffer.fillWithZeroes()
    guard buffer.byteCount > 0 else { return }
    for number in (offset / 1024)...((offset + UInt64(buffer.byteCount) - 1) / 1024) {
      guard let block = blocks[number] else { continue }
      let first = max(number * 1024, offset)
      let last = min(number * 1024 + 1024, offset + UInt64(buffer.byteCount))
      buffer.copy(block.raw.slice(Int(first - number * 1024), Int(last - first)), at: Int(first - offset))
    }
  }
}

func disk(_ input: [UInt8]) -> FuzzDisk? {
  guard input.count >= 2 + 1026 else { return nil }
  let sizes: [UInt64] = [1 << 20, 4 << 20, 64 << 20, 15 << 40, 300 << 10, (4 << 20) + 512]
  var disk = FuzzDisk(byteCount: sizes[Int(input[0]) % sizes.count])
  var place = 2
  while place + 1026 <= input.count, disk.blocks.count < 128 {
    disk.blocks[UInt64(input[place]) | UInt64(input[place + 1]) << 8] = Array(input[(place + 2)..<(place + 1026)])
    place += 1026
  }
  if input[1] & 1 == 0, var superblock = disk.blocks[1] {
    // Checksums would hide everything behind the superblock's; without the features there are none.
    superblock[Superblock.Field.readOnlyCompatible + 1] &= ~4
    disk.blocks[1] = superblock
  }
  return disk
}

/// Reads a file in every way there is; errors are what is to be expected.
func look(_ volume: ExtVolume, _ file: FileID, _ waiting: inout [FileID]) throws {
  let attributes = try volume.attributes(of: file)
  for attribute in (try? volume.extendedAttributes(of: file)) ?? [] {
    precondition(attribute.value.count <= 1 << 20)
  }
  switch attributes.kind {
  case .directory:
    var position: UInt64 = 0
    for _ in 0..<16 {
      let batch = try volume.entries(of: file, from: position, limit: 50)
      guard let last = batch.last else { break }
      precondition(last.next > position, "a listing that does not go on")
      position = last.next
      for entry in batch.prefix(4) { _ = try? volume.lookup(entry.name, in: file) }
      waiting += batch.map(\.file)
    }
    _ = try volume.lookup("no such name", in: file)
  case .symbolicLink:
    let target = try volume.symbolicLinkTarget(of: file)
    precondition(target.bytes.count <= 65536)
  case .regular: try readContents(try volume.contents(of: file))
  default: break
  }
}

func readContents(_ contents: any FileContents) throws {
  var offset: UInt64 = 0
  var bytes = [UInt8](repeating: 0, count: 65536)
  for step in 0..<24 where offset < contents.byteCount {
    let extent = try contents.extent(at: offset, limit: contents.byteCount)
    precondition(
      extent.offset == offset && extent.length > 0 && extent.end <= contents.byteCount, "an extent of nothing")
    let count = Int(min(extent.length, UInt64(step % 3 == 0 ? 65536 : 700)))
    try bytes.withUnsafeMutableBytes { raw in
      var span = MutableRawSpan(_unsafeBytes: raw)
      var front = span._mutatingExtracting(first: count)
      try contents.read(at: offset, into: &front)
    }
    offset = step % 2 == 0 ? extent.end : extent.offset + UInt64(count)
  }
}

func check(_ volume: ExtVolume, _ disk: FuzzDisk) throws {
  _ = (volume.identity, volume.warnings)
  var waiting = [volume.root]
  var looked = 0
  while let file = waiting.popLast(), looked < 200 {
    looked += 1
    do { try look(volume, file, &waiting) } catch let error as ImageError {
      precondition(!error.description.isEmpty)
    } catch is FileError {}
    if waiting.count > 1000 { waiting.removeFirst(500) }
  }
  for offset: UInt64 in [0, 1024, 70000, 1 << 20, 8 << 20, disk.byteCount - 1] where offset < disk.byteCount {
    guard let extent = try? volume.allocation(at: offset, limit: disk.byteCount) else { continue }
    precondition(extent.offset == offset && extent.length > 0 && extent.end <= disk.byteCount, "an extent of nothing")
  }
  if volume.blocks.layout.groupCount < 5000 {
    _ = try volume.quickCheck()
    _ = try volume.statistics()
  }
}

/// Reads one disk in every way there is; libFuzzer calls it by its C name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard let disk = disk(Array(UnsafeBufferPointer(start: data, count: count))) else { return 0 }
  do {
    _ = try FilesystemType.ext.probe(disk)
    try check(try ExtVolume(disk), disk)
  } catch let error as ImageError {
    precondition(!error.description.isEmpty)
  } catch {
    fatalError("an error of another type: \(error)")
  }
  return 0
}
