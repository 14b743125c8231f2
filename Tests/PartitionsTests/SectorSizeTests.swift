import BlockIO
import Support
import SystemPackage
import Testing

@testable import Partitions

@Suite struct SectorSizeTests {
  @Test("An MBR's sector size shows where its partitions start", arguments: [512, 4096], [nil, 512, 4096])
  func volumes(_ size: Int, _ hint: Int?) throws {
    let scratch = try Scratch()
    let disk = try table(size, type: 0x83, start: 64, count: 4096)
    try OpenFile(FilePath(scratch.path + "/disk"), .readWrite, options: .create, permissions: .ownerReadWrite)
      .write(disk.bytes.raw, at: 0)
    try scratch.shell("mke2fs -q -t ext4 -E offset=\(64 * size) disk 2048 2>/dev/null")
    let found = try #require(try readTable(scratch, hint: hint))
    #expect(found.sectorSize == size)
    #expect(found.partitions.first?.start == UInt64(64 * size))
    let source = try FileSource(FilePath(scratch.path + "/disk"))
    let partition = try #require(found.partition(1))
    #expect(try found.signature(of: partition, on: source)?.type == "ext4")
  }

  @Test("Links show it too, and without any sign the hint counts", arguments: [512, 4096], [nil, 512, 4096])
  func links(_ size: Int, _ hint: Int?) throws {
    var disk = try table(size, type: 5, start: 64, count: 1024)
    #expect(try PartitionTable.read(from: disk.source, sectorSizeHint: hint)?.sectorSize == hint ?? 512)
    disk.put(UInt16(0xaa55), at: 64 * size + 510)
    #expect(try PartitionTable.read(from: disk.source, sectorSizeHint: hint)?.sectorSize == size)
  }

  /// A disk of 20 MiB with one partition in its MBR.
  private func table(_ size: Int, type: UInt8, start: UInt32, count: UInt32) throws -> Disk {
    var disk = Disk(bytes: [UInt8](repeating: 0, count: 20 << 20), sectorSize: size)
    disk.bytes[450] = type
    disk.put(start, at: 454)
    disk.put(count, at: 458)
    disk.put(UInt16(0xaa55), at: 510)
    return disk
  }
}
