import BlockIO
import Bytes
import Support
import SystemPackage
import Testing

@testable import Partitions

/// A disk in memory that tests break.
struct Disk {
  var bytes: [UInt8]
  var sectorSize = 512

  /// A disk of 4 MiB with a GPT of `count` partitions.
  static func gpt(count: Int = 3, sectorSize: Int = 512) throws -> Disk {
    let scratch = try Scratch()
    let lines = (0..<count).map { _ in "size=64,name=part" }.joined(separator: "\n")
    let test = TableCase.sfdisk("a", size: "4M", "label: gpt\ntable-length: 128\n" + lines)
    _ = try (sectorSize == 512 ? test : test.onLargeSectors).make(in: scratch)
    return Disk(bytes: try contents(of: scratch.path + "/disk"), sectorSize: sectorSize)
  }

  static func contents(of path: String) throws -> [UInt8] {
    let file = try FileSource(.init(path))
    return try #require(try file.block(at: 0, count: Int(file.byteCount))).bytes
  }

  mutating func put(_ value: some FixedWidthInteger, at place: Int) {
    for index in 0..<(value.bitWidth / 8) { bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  func get<T: FixedWidthInteger & BitwiseCopyable>(_ place: Int, _ type: T.Type) -> T {
    Block(offset: 0, bytes: bytes).little(place)
  }

  /// Makes the checksums of the header in `sector` and of its entries right.
  mutating func mend(sector: Int) {
    let place = sector * sectorSize
    let array = min(Int(clamping: get(place + 72, UInt64.self)), bytes.count) * sectorSize
    let length = Int(get(place + 80, UInt32.self)) * Int(get(place + 84, UInt32.self))
    if length > 0, array + length <= bytes.count { put(crc32(Array(bytes[array..<(array + length)])), at: place + 88) }
    let size = min(Int(get(place + 12, UInt32.self)), sectorSize)
    var header = Array(bytes[place..<(place + size)])
    header.replaceSubrange(16..<20, with: [0, 0, 0, 0])
    put(crc32(header), at: place + 16)
  }

  var lastSector: Int { bytes.count / sectorSize - 1 }
  var source: MemoryDisk { MemoryDisk(bytes) }
  func table() throws -> PartitionTable? { try PartitionTable.read(from: source) }
}

/// CRC-32, bit by bit, not the library's.
func crc32(_ bytes: [UInt8]) -> UInt32 {
  var crc: UInt32 = ~0
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
  }
  return ~crc
}

@Suite struct DamagedTableTests {
  @Test("A damaged primary copy gives way to the backup", arguments: Machine.hasLoopDevices ? [512, 4096] : [512])
  func backup(_ size: Int) throws {
    let sound = try Disk.gpt(sectorSize: size)
    let expected = try #require(try sound.table())
    let damages: [(String, (inout Disk) -> Void)] = [
      ("its checksum", { $0.bytes[size + 60] ^= 1 }),
      ("entries", { $0.bytes[2 * size + 5] ^= 1 }),
      ("missing", { for index in size..<(2 * size) { $0.bytes[index] = 0 } }),
      ("size field", { $0.put(UInt32(91), at: size + 12) }),
      ("size field", { $0.put(UInt32(8192), at: size + 12) }),
      (
        "belongs to sector",
        {
          $0.put(UInt64(2), at: size + 24); $0.mend(sector: 1)
        }
      ),
      (
        "entries of 0 bytes",
        {
          $0.put(UInt32(0), at: size + 84); $0.mend(sector: 1)
        }
      ),
      (
        "entries of 384 bytes",
        {
          $0.put(UInt32(384), at: size + 84); $0.mend(sector: 1)
        }
      ),
      (
        "4294967295 entries",
        {
          $0.put(UInt32.max, at: size + 80); $0.mend(sector: 1)
        }
      ),
      (
        "0 entries",
        {
          $0.put(UInt32(0), at: size + 80); $0.mend(sector: 1)
        }
      ),
      (
        "outside the disk",
        {
          $0.put(UInt64.max, at: size + 72); $0.mend(sector: 1)
        }
      ),
      (
        "over it",
        {
          $0.put(UInt64(1), at: size + 72); $0.mend(sector: 1)
        }
      ),
      (
        "before it starts",
        {
          $0.put(UInt64(1), at: size + 48); $0.mend(sector: 1)
        }
      ),
    ]
    for (word, damage) in damages {
      var disk = sound
      damage(&disk)
      let table = try #require(try disk.table())
      #expect(table.partitions == expected.partitions)
      #expect(table.warnings.count == 1 && table.warnings.first?.contains(word) == true, "\(word): \(table.warnings)")
      #expect(table.warnings.first?.contains("the backup in sector \(disk.lastSector) is used") == true)
      #expect(table.sectorSize == size)
      #expect(throws: PartitionTable.NoFit.self) { try table.relocateBackupGPT(newDiskByteCount: 8 << 20) }
      try checkRegions(table)

      var reverse = sound
      reverse.bytes[reverse.lastSector * size + 60] ^= 1
      #expect(try reverse.table()?.partitions == expected.partitions)
      #expect(try reverse.table()?.warnings.first?.contains("the primary copy is used") == true)

      damage(&reverse)
      #expect { try reverse.table() } throws: { error in
        (error as? ImageError)?.kind == .damaged && "\(error)".contains("both copies")
      }
    }
  }

  @Test func aProtectiveRecordAloneIsDamaged() throws {
    var disk = try Disk.gpt()
    for index in 512..<disk.bytes.count { disk.bytes[index] = 0 }
    #expect { try disk.table() } throws: { ($0 as? ImageError)?.kind == .damaged }
  }

  @Test func withoutProtectiveRecordThereIsNoTable() throws {
    var disk = try Disk.gpt()
    for index in 446..<512 { disk.bytes[index] = 0 }
    #expect(try disk.table() == nil)
    // What is left of it is found all the same.
    #expect(try TableSectors.find(on: disk.source).ranges.count == 2)
  }

  @Test func aTruncatedImageIsSaid() throws {
    var disk = try Disk.gpt()
    disk.bytes.removeLast(1 << 20)
    let table = try #require(try disk.table())
    #expect(table.partitions.count == 3)
    #expect(table.faults.map(\.kind) == [.truncated])
    #expect(throws: ImageError.self) { try table.requireSound() }
    disk.bytes.removeLast(disk.bytes.count - 40960)
    let short = try #require(try disk.table())
    #expect(short.faults.map(\.kind) == [.truncated, .pastEnd, .pastEnd, .pastEnd])
    let source = disk.source
    for partition in short.partitions {
      #expect(throws: ImageError.self) { try partition.window(on: source as any BlockSource) }
    }
  }

  @Test(
    "Entries that contradict the disk are faults",
    arguments: [
      (UInt64(2000), UInt64(1999), TableFault.Kind.range), (UInt64.max - 1, UInt64.max, .range),
      (0, UInt64.max, .range),
      (4000, 9000, .pastEnd), (40, 42, .overlap),
    ])
  func entries(_ first: UInt64, _ last: UInt64, _ kind: TableFault.Kind) throws {
    var disk = try Disk.gpt()
    disk.put(first, at: 1024 + 256 + 32)
    disk.put(last, at: 1024 + 256 + 40)
    disk.mend(sector: 1)
    let table = try #require(try disk.table())
    #expect(table.faults.map(\.kind) == [kind])
    #expect(table.faults.first?.partition == 3 || kind == .overlap)
    #expect(table.warnings.first?.contains("describes another table") == true)
    #expect(table.regions.last?.end == table.diskByteCount)
  }

  @Test func manyFaultsAreBounded() throws {
    var disk = try Disk.gpt(count: 60)
    for index in 0..<60 { disk.put(UInt64(1), at: 1024 + 128 * index + 40) }
    disk.mend(sector: 1)
    #expect(try disk.table()?.faults.count == TableFault.maximum)
  }

  @Test func entriesOf256And4096Bytes() throws {
    for size in [256, 4096] {
      var disk = Disk(bytes: try Disk.gpt().bytes)
      let entries = (0..<3).map { Array(disk.bytes[(1024 + 128 * $0)..<(1152 + 128 * $0)]) }
      for (index, entry) in entries.enumerated() {
        for position in 0..<size { disk.bytes[1024 + size * index + position] = position < 128 ? entry[position] : 0 }
      }
      disk.put(UInt32(size), at: 512 + 84)
      disk.put(UInt32(4), at: 512 + 80)
      disk.mend(sector: 1)
      #expect(try disk.table()?.partitions.map(\.number) == [1, 2, 3])
    }
  }
}

@Suite struct HostileRecordTests {
  /// A disk of `count` sectors with an extended partition from sector 10.
  private func disk(_ count: Int = 4096) -> Disk {
    var disk = Disk(bytes: [UInt8](repeating: 0, count: count * 512))
    entry(&disk, sector: 0, slot: 0, type: 5, start: 10, count: UInt32(count - 10))
    return disk
  }

  private func entry(_ disk: inout Disk, sector: Int, slot: Int, type: UInt8, start: UInt32, count: UInt32) {
    let place = sector * 512 + 446 + 16 * slot
    disk.bytes[place + 4] = type
    disk.put(start, at: place + 8)
    disk.put(count, at: place + 12)
    disk.put(UInt16(0xaa55), at: sector * 512 + 510)
  }

  @Test("Circles of links are refused", arguments: [0, 1, 5])
  func circle(_ back: Int) throws {
    var disk = disk()
    for link in 0...5 {
      entry(&disk, sector: 10 + 10 * link, slot: 0, type: 0x83, start: 1, count: 2)
      let next = link == 5 ? UInt32(10 * back) : UInt32(10 * (link + 1))
      entry(&disk, sector: 10 + 10 * link, slot: 1, type: 5, start: next, count: 5)
    }
    #expect { try disk.table() } throws: { "\($0)".contains("circle") && ($0 as? ImageError)?.kind == .damaged }
  }

  @Test func aMillionLinksAreRefused() throws {
    let source = EndlessChain()
    #expect { try PartitionTable.read(from: source) } throws: { "\($0)".contains("more than 256 links") }
  }

  @Test func brokenChainsKeepWhatIsThere() throws {
    var disk = disk()
    entry(&disk, sector: 10, slot: 0, type: 0x83, start: 1, count: 2)
    entry(&disk, sector: 10, slot: 1, type: 5, start: 100, count: 5)
    #expect(try disk.table()?.partitions.map(\.number) == [1, 5])
    #expect(try disk.table()?.faults.map(\.kind) == [.chain])
    disk.put(UInt32.max, at: 10 * 512 + 446 + 16 + 8)
    #expect(try disk.table()?.faults.map(\.kind) == [.chain])
  }

  @Test func partitionsPastTheEndAndOverlapping() throws {
    var disk = Disk(bytes: [UInt8](repeating: 0, count: 1 << 20))
    entry(&disk, sector: 0, slot: 0, type: 0x83, start: .max, count: .max)
    entry(&disk, sector: 0, slot: 1, type: 0x83, start: 100, count: 100)
    entry(&disk, sector: 0, slot: 2, type: 0x83, start: 150, count: 100)
    let table = try #require(try disk.table())
    #expect(table.faults.map(\.kind) == [.pastEnd, .overlap])
    #expect(table.regions.last?.end == 1 << 20)
    #expect(throws: PartitionTable.NoFit.self) { try table.requireFit(1 << 20) }
  }

  @Test("Garbage in the slots is no table", arguments: [0x01, 0x7f, 0x81, 0xff] as [UInt8])
  func garbage(_ indicator: UInt8) throws {
    var disk = Disk(bytes: [UInt8](repeating: 0, count: 1 << 20))
    entry(&disk, sector: 0, slot: 0, type: 0x83, start: 100, count: 100)
    #expect(try disk.table() != nil)
    disk.bytes[446 + 32] = indicator
    #expect(try disk.table() == nil)
  }

  @Test func tinyAndEmptyDisks() throws {
    for count in [0, 1, 511, 512, 513, 1024] {
      let disk = Disk(bytes: [UInt8](repeating: 0, count: count))
      #expect(try disk.table() == nil)
      #expect(try FilesystemSignature.all(disk.source).isEmpty)
      #expect(try TableSectors.find(on: disk.source).ranges.count <= 1)
    }
  }

  @Test(
    "A filesystem on the whole disk is no table",
    arguments: [
      "mkfs.vfat", "mkfs.vfat -F 32", "mkfs.vfat -F 16", "mkfs.exfat", "mkfs.ntfs -QF", "mkfs.ext4 -q",
      "mkfs.vfat --mbr=no",
    ])
  func bareFilesystem(_ command: String) throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 64M disk; \(command) disk >/dev/null 2>&1")
    #expect(try readTable(scratch, hint: nil) == nil)
    #expect(try FilesystemSignature.probe(FileSource(.init(scratch.path + "/disk"))) != nil)
  }
}

/// A disk of 2 TiB whose sectors from the first on are links to the next.
private struct EndlessChain: BlockSource {
  let byteCount: UInt64 = 2 << 40
  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    buffer.fillWithZeroes()
    guard offset / 512 < 1_000_000 else { return }
    let next = offset == 0 ? 1 : UInt32(offset / 512)
    for place in stride(from: 0, to: buffer.byteCount - 511, by: 512) {
      buffer.storeBytes(of: 5, toByteOffset: place + 450, as: UInt8.self)
      buffer.storeBytes(of: next, toByteOffset: place + 454, as: UInt32.self)
      buffer.storeBytes(of: 1, toByteOffset: place + 458, as: UInt32.self)
      buffer.storeBytes(of: 0xaa55, toByteOffset: place + 510, as: UInt16.self)
    }
  }
}
