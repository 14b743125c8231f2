import Bytes
import Clonezilla
import Support
import Testing

/// sfdisk's dumps.
@Suite struct DumpTests {
  @Test func formOfToday() throws {
    let dump = try SfdiskDump(
      parsing: """
        label: gpt
        label-id: 64C1E5AA-B4F9-D143-8BC5-8B1F35C496AD
        device: /dev/nvme0n1
        unit: sectors
        first-lba: 34
        last-lba: 409566
        sector-size: 4096

        /dev/nvme0n1p1 : start=        2048, size=       81920, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="a, \\x22b\\x22", attrs="RequiredPartition GUID:63"
        /dev/nvme0n1p128 : start=  83968, size=1, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=CAF9BDBE-0C46-134C-8132-F4362ECDCA15
        """)
    #expect(dump.label == "gpt" && dump.sectorSize == 4096 && dump.lastUsable == 409566)
    #expect(dump.entries.map(\.number) == [1, 128] && dump.entries.map(\.start) == [2048, 83968])
    #expect(dump.entries[0].label == "a, \"b\"" && dump.entries[0].attributes == "RequiredPartition GUID:63")
  }

  @Test func formOfBefore2014() throws {
    let dump = try SfdiskDump(
      parsing: """
        # partition table of /dev/hda
        unit: sectors

        /dev/hda1 : start=       63, size=   208782, Id=83, bootable
        /dev/hda2 : start=   208845, size= 16579080, Id= f
        /dev/hda3 : start=        0, size=        0, Id= 0
        /dev/hda4 : start=        0, size=        0, Id= 0
        /dev/hda5 : start=   208908, size= 16579017, Id=8e
        """)
    #expect(dump.label == nil && dump.entries.map(\.number) == [1, 2, 5])
    #expect(dump.entries.map(\.type) == ["83", "f", "8e"] && dump.entries.map(\.isBootable) == [true, false, false])
  }

  @Test(arguments: [
    "rubbish", "/dev/sda1 start=1", "/dev/sda1 : start=x, size=2", "/dev/sda1 : size=2", "/dev/sda : start=1, size=2",
    "/dev/sda1 : start=18446744073709551615, size=2", "/dev/sda1 : start=0, size=2", "sector-size: 12",
    "/dev/../etc/x1 : start=1, size=2", "/dev/sda1 : start=1, size=2\n/dev/sda1 : start=9, size=2", "first-lba: -1",
    "/dev/sda1 : start=99999999999999999999, size=2", "/dev/sda1 : start=1, size=2, name=\"\u{0}",
  ])
  func garbage(_ text: String) {
    // The last is strange but harmless.
    if text.contains("\u{0}") {
      #expect(throws: Never.self) { try SfdiskDump(parsing: text) }
    } else {
      #expect(throws: LayoutError.self) { try SfdiskDump(parsing: text) }
    }
  }

  @Test func tooManyPartitions() {
    let text = (1...2000).map { "/dev/sda\($0) : start=\($0), size=1, type=83\n" }.joined()
    #expect(throws: LayoutError.self) { try SfdiskDump(parsing: text) }
  }
}
