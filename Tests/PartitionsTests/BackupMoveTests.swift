import BlockIO
import Support
import SystemPackage
import Testing

@testable import Partitions

/// A GPT, the size in bytes it moves to, and the disk's sector size.
struct MoveCase: Sendable, CustomStringConvertible {
  let name: String
  let script: String
  let sectorSize: Int
  let size: UInt64

  var description: String { "\(name), \(sectorSize), to \(size)" }

  static let all: [MoveCase] = {
    let scripts = [
      ("sfdisk", "printf 'label: gpt\\n,1M\\n,2M\\n' | sfdisk --no-reread $disk"),
      ("sgdisk", "sgdisk -og -n 1:0:+1M -n 5:0:+4M $disk"),
      ("sgdisk 256", "sgdisk -og -S 256 -n 1:0:+1M $disk"),
      ("parted", "parted -s $disk mklabel gpt mkpart a 1MiB 5MiB"),
      ("hybrid", "sgdisk -og -n 1:0:+1M -n 2:0:+1M $disk; sgdisk -h 1:2 $disk"),
    ]
    var cases: [MoveCase] = []
    for sectorSize in Machine.hasLoopDevices ? [512, 4096] : [512] {
      for (name, script) in scripts {
        let sizes: [UInt64] = [
          (64 << 20) + UInt64(sectorSize), (64 << 20) + 40960, 5 << 30, 3 << 40, 20 << 20,
        ]
        for size in sizes where name == "sgdisk" || size <= 5 << 30 {
          cases.append(MoveCase(name: name, script: script, sectorSize: sectorSize, size: size))
        }
      }
    }
    return cases
  }()
}

@Suite struct BackupMoveTests {
  @Test("A moved backup satisfies sgdisk and sfdisk", arguments: MoveCase.all)
  func verified(_ test: MoveCase) throws {
    let scratch = try Scratch()
    var table = TableCase(test.name, size: "64M", test.script)
    table.sectorSize = test.sectorSize
    _ = try table.make(in: scratch)
    let path = FilePath(scratch.path + "/disk")
    let before = try #require(try PartitionTable.read(from: FileSource(path)))
    let writes = try before.relocateBackupGPT(newDiskByteCount: test.size)
    #expect(!writes.isEmpty)
    let file = try OpenFile(path, .readWrite)
    try file.resize(to: test.size)
    for write in writes {
      #expect(write.offset % UInt64(test.sectorSize) == 0 && write.bytes.count % test.sectorSize == 0)
      try file.write(write.bytes.raw, at: write.offset)
    }
    let after = try #require(try PartitionTable.read(from: FileSource(path)))
    #expect(after.warnings == [] && after.faults == [])
    #expect(after.partitions == before.partitions && after.isHybrid == before.isHybrid)
    #expect(try after.relocateBackupGPT(newDiskByteCount: test.size).isEmpty)
    let found = try TableSectors.find(on: FileSource(path))
    let none = TableSectors()
    let whole = found.union(none, sectorSize: test.sectorSize, diskByteCount: test.size)
    #expect(whole == after.sectors)
    try checkRegions(after)
    let attach =
      test.sectorSize == 512
      ? "disk=disk" : "disk=$(losetup --find --show --sector-size 4096 disk); trap 'losetup -d $disk' EXIT"
    let said = try scratch.shell("\(attach)\nsgdisk -v $disk; sfdisk --verify $disk; sfdisk -J $disk >/dev/null").text
    #expect(said.contains("No problems found") && said.contains("No errors detected"), "\(said)")
    for word in ["warning", "Warning: The ", "PMBR", "corrupt", "not on the end", "mismatch"] {
      #expect(!said.contains(word), "\(said)")
    }
  }

  @Test func protectionKeepsItsGreatestSize() throws {
    var disk = try Disk.gpt()
    disk.put(UInt32.max, at: 446 + 12)
    let writes = try #require(try disk.table()).relocateBackupGPT(newDiskByteCount: 8 << 20)
    #expect(!writes.contains { $0.offset == 0 })
    let scaled = try #require(try Disk.gpt().table()).relocateBackupGPT(newDiskByteCount: 8 << 40)
    let record = try #require(scaled.last)
    #expect(record.offset == 0)
    #expect(Block(offset: 0, bytes: record.bytes).little(446 + 12, UInt32.self) == .max)
  }

  @Test func smallerDisksMustHoldAllPartitions() throws {
    let table = try #require(try Disk.gpt().table())
    let least = try #require(table.minimumByteCount)
    #expect(least < 4 << 20)
    #expect(throws: Never.self) { try table.requireFit(least) }
    #expect(try !table.relocateBackupGPT(newDiskByteCount: least).isEmpty)
    #expect(throws: PartitionTable.NoFit.self) { try table.relocateBackupGPT(newDiskByteCount: least - 1) }
    #expect(throws: PartitionTable.NoFit.self) { try table.requireFit(0) }
  }

  @Test("A stream's start announces all of the table's sectors", arguments: TableCase.guid)
  func announced(_ test: TableCase) throws {
    let scratch = try Scratch()
    _ = try test.make(in: scratch)
    let source = try FileSource(FilePath(scratch.path + "/disk"))
    let start = Window<any BlockSource>(of: source, start: 0, byteCount: 8192)
    let table = try #require(try PartitionTable.read(from: source))
    let announced = try TableSectors.announced(by: start, diskByteCount: source.byteCount)
    #expect(announced.ranges.count == table.sectors.ranges.count)
    // sfdisk puts the backup's entries of an odd count right before the header too.
    for (range, exact) in zip(announced.ranges, table.sectors.ranges) {
      #expect(range.lowerBound <= exact.lowerBound && range.upperBound == exact.upperBound)
    }
    #expect(try TableSectors.find(on: source) == table.sectors)
  }

  @Test func unionsAreWhole() {
    var first = TableSectors()
    first.insert(512..<1024)
    first.insert(20000..<20000)
    var second = TableSectors()
    second.insert(0..<512)
    second.insert(9000..<9001)
    second.insert(100_000..<200_000)
    #expect(
      first.union(second, sectorSize: 512, diskByteCount: 150_001).ranges == [0..<1024, 8704..<9216, 99840..<150_001])
    #expect(first.union(second, sectorSize: 4096, diskByteCount: 50000).ranges == [0..<4096, 8192..<12288])
  }

  @Test func differentCopiesAreNotMoved() throws {
    var disk = try Disk.gpt()
    disk.bytes[1024 + 60] ^= 1
    disk.mend(sector: 1)
    let table = try #require(try disk.table())
    #expect(throws: PartitionTable.NoFit.self) { try table.relocateBackupGPT(newDiskByteCount: 8 << 20) }
  }
}
