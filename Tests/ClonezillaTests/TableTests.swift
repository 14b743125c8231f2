import BlockIO
import Bytes
import Clonezilla
import Images
import Partitions
import Support
import SystemPackage
import Testing

/// Tables put together from folders that the real ocs-sr wrote, and from what is left of such folders.
@Suite struct TableTests {
  /// The CRC-32 of the sectors that hold the table.
  private func crc(_ disk: FolderDisk, _ sectors: [UInt64]) throws -> UInt64 {
    var crc = CRC32()
    for sector in sectors {
      var buffer = Buffer(count: 512)
      _ = try buffer.fill { span in
        try disk.read(at: sector * 512, into: &span)
        return 512
      }
      crc.update(buffer.prefix(512))
    }
    return UInt64(crc.value)
  }

  /// Each takes away files that are not needed; what is left must give the same sectors.
  @Test(arguments: [
    ("gpt", ""), ("gpt", "rm *-gpt-1st"), ("gpt", "rm *-gpt-1st *-gpt-2nd"), ("gpt", "rm *-gpt.gdisk *-gpt-2nd *-mbr"),
    ("gpt", "rm *-gpt-1st *-gpt.gdisk *-gpt-2nd"), ("gpt", "rm *-gpt-1st *.gdisk *-2nd *-mbr"),
    ("gpt", "rm *.sgdisk *.parted*"), ("gpt", "rm *-gpt-1st *.gdisk *-2nd *.sgdisk *.parted*"),
    ("gpt", "printf X | dd of=$(echo *-gpt-1st) bs=1 seek=560 conv=notrunc status=none"),
    ("gpt", "rm *-pt.sf"), ("mbr", ""), ("mbr", "rm *-mbr"), ("mbr", "rm *-ebr"), ("mbr", "rm *-mbr *-ebr *.parted*"),
  ])
  func tableIsWhatItWas(_ name: String, _ script: String) throws {
    let folder = try TestFolder(name, script)
    let image = try #require(try folder.image())
    // Without a report of the disk's size an MBR's disk is as large as its partitions.
    if !script.contains(".parted") { #expect(try [image.disk.byteCount] == folder.said("[facts[\"size\"]]")) }
    let starts = image.table.partitions.map(\.start)
    #expect(try starts == folder.said("(p[\"start\"] for p in facts[\"partitions\"])"))
    // Where the second link was, the file of the first alone tells.
    guard !script.contains("-ebr") else { return }
    let found = try crc(image.disk, folder.said("facts[\"table-sectors\"]"))
    #expect(try [found] == folder.said("[facts[\"table-crc32\"]]"))
  }

  @Test func damagedPrimaryIsSaid() throws {
    let folder = try TestFolder("gpt", "printf X | dd of=$(echo *-gpt-1st) bs=1 seek=560 conv=notrunc status=none")
    let warnings = try #require(try folder.image()).warnings
    #expect(warnings.count == 1 && warnings[0].contains("gpt-1st") && warnings[0].contains("gdisk"), "\(warnings)")
  }

  @Test(arguments: ["gpt", "mbr"]) func fitsOtherSizes(_ name: String) throws {
    let image = try #require(try TestFolder(name).image())
    let end = image.table.partitions.filter { !$0.type.isExtended }.map(\.end).max() ?? 0
    for size in [image.disk.byteCount + (8 << 20), image.disk.byteCount + 512, end + 33 * 512] {
      let fitted = try image.fitted(to: size)
      #expect(fitted.byteCount == size)
      let table = try #require(try PartitionTable.read(from: fitted, sectorSizeHint: 512))
      #expect(table.warnings.isEmpty && table.faults.isEmpty, "\(table.warnings) \(table.faults)")
      #expect(table.partitions.filter { !$0.type.isExtended } == image.table.partitions.filter { !$0.type.isExtended })
    }
    #expect(throws: PartitionTable.NoFit.self) { try image.fitted(to: end - 512) }
    if name == "gpt" { #expect(throws: PartitionTable.NoFit.self) { try image.fitted(to: end + 32 * 512) } }
  }

  /// Links stay outside of partitions wherever those lie, and lead to the same partitions.
  @Test(arguments: [
    "1:start=2048,size=40000,type=5\n5:start=4096,size=2048\n6:start=8192,size=2048\n7:start=12288,size=1000",
    "1:start=63,size=60000,type=f\n5:start=126,size=2000\n6:start=2189,size=3000\n7:start=5252,size=1000",
    "1:start=2048,size=60000,type=5\n5:start=6144,size=2048\n6:start=20480,size=6144\n7:start=30720,size=1000",
    "1:start=2048,size=60000,type=85",
  ])
  func linksOfLogicalPartitions(_ parts: String) throws {
    let folder = try TestFolder(
      "mbr",
      """
      rm *; echo sda > disk; truncate -s 40M ../made; printf 'label: dos\\n\(parts.replacing("\n", with: "\\n"))\\n' |
        sfdisk -q ../made
      sfdisk -d ../made | sed 's#\\.\\./made#/dev/sda#' > sda-pt.sf
      """)
    let image = try #require(try folder.image())
    let made = try FileSource(FilePath(folder.scratch.file("made")))
    let expected = try #require(try PartitionTable.read(from: made, sectorSizeHint: 512))
    #expect(image.table.partitions == expected.partitions && image.table.faults.isEmpty)
    #expect(image.table.identifier == expected.identifier)
  }
}
