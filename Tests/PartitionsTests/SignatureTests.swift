import BlockIO
import Bytes
import Support
import SystemPackage
import Testing

@testable import Partitions

/// A volume that a script makes as `disk`.
struct VolumeCase: Sendable, CustomStringConvertible {
  let type: String
  let tool: String
  let size: String
  let script: String

  var description: String { script }

  init(_ type: String, _ script: String, size: String = "64M") {
    self.type = type
    self.script = script
    self.size = size
    tool = script.split(separator: " ").first.map { String($0) } ?? ""
  }

  static let made: [VolumeCase] = [
    VolumeCase("ext2", "mke2fs -t ext2 -L label disk"), VolumeCase("ext3", "mke2fs -t ext3 disk"),
    VolumeCase("ext4", "mke2fs -t ext4 -L sixteen-letters_ disk"),
    VolumeCase("ext4", "mke2fs -t ext4 -O ^has_journal disk"),
    VolumeCase("ext4", "mke2fs -t ext4 -O ^metadata_csum -b 1024 disk"),
    VolumeCase("jbd", "mke2fs -O journal_dev disk"),
    VolumeCase("ext4", "mke2fs -t ext4 -r 1 -U 01234567-89ab-cdef-0123-456789abcdef disk"),
    VolumeCase("xfs", "mkfs.xfs -L data disk", size: "400M"), VolumeCase("xfs", "mkfs.xfs -m crc=0 disk", size: "400M"),
    VolumeCase("xfs", "mkfs.xfs -s size=4096 disk", size: "400M"),
    VolumeCase("btrfs", "mkfs.btrfs -L name disk", size: "200M"),
    VolumeCase("btrfs", "mkfs.btrfs --csum xxhash disk", size: "200M"),
    VolumeCase("vfat", "mkfs.vfat -F 12 -n LABEL disk", size: "4M"), VolumeCase("vfat", "mkfs.vfat -F 16 disk"),
    VolumeCase("vfat", "mkfs.vfat -F 32 -n EFI -i 1234abcd disk"),
    VolumeCase("vfat", "mkfs.vfat -F 32 -s 1 -S 4096 disk", size: "300M"),
    VolumeCase("vfat", "mkfs.vfat -i 0 disk"),
    VolumeCase("vfat", "mformat -i disk -v MTOOLS -F ::"),
    VolumeCase("exfat", "mkfs.exfat -L Größe disk"), VolumeCase("exfat", "mkfs.exfat disk"),
    VolumeCase("exfat", "mkfs.exfat -c 4M -L big disk", size: "1G"),
    VolumeCase("ntfs", "mkfs.ntfs -QF -L 'Größe x' disk"), VolumeCase("ntfs", "mkfs.ntfs -QF disk"),
    VolumeCase("ntfs", "mkfs.ntfs -QF -c 65536 -s 4096 -L a disk"),
    VolumeCase("swap", "mkswap -L swap disk"), VolumeCase("swap", "mkswap -p 65536 disk"),
    VolumeCase("swap", "mkswap -p 8192 disk"),
    VolumeCase("swsuspend", "mkswap disk; printf S1SUSPEND | dd of=disk bs=1 seek=4086 conv=notrunc"),
    VolumeCase("swsuspend", "mkswap -L a disk; printf LINHIB0001 | dd of=disk bs=1 seek=4086 conv=notrunc"),
    VolumeCase("f2fs", "mkfs.f2fs -l Größe disk"), VolumeCase("reiserfs", "mkfs.reiserfs -qff -l rei disk"),
    VolumeCase("reiserfs", "mkfs.reiserfs -qff --format 3.5 disk"), VolumeCase("jfs", "mkfs.jfs -q -L jay disk"),
    VolumeCase("crypto_LUKS", "cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 disk /etc/hostname"),
    VolumeCase(
      "crypto_LUKS",
      "cryptsetup -q luksFormat --type luks2 --label crypt --pbkdf pbkdf2 --pbkdf-force-iterations 1000 disk /etc/hostname"
    ),
    VolumeCase("bcache", "make-bcache -B disk"), VolumeCase("bcache", "make-bcache -C disk"),
    VolumeCase("squashfs", "mksquashfs /etc/apt new; cat new > disk"),
    VolumeCase("iso9660", "genisoimage -quiet -V 'DISC ONE' -o new /etc/apt; cat new > disk"),
    VolumeCase("iso9660", "genisoimage -quiet -J -V 'a long disc label 1234567' -o new /etc/apt; cat new > disk"),
    VolumeCase("iso9660", "xorriso -as mkisofs -quiet -J -R -V Label_9 -o new /etc/apt; cat new > disk"),
  ]
}

@Suite struct SignatureTests {
  @Test("Volumes are what blkid says", arguments: VolumeCase.made)
  func made(_ test: VolumeCase) throws {
    let scratch = try Scratch()
    guard try run(["which", test.tool]).status == 0 else {
      return print("skipped: \(test.tool) is not installed")
    }
    try scratch.shell("truncate -s \(test.size) disk\n{ \(test.script)\n} >/dev/null 2>&1")
    let found = try compare(scratch)
    #expect(found == test.type)
    try wipe(scratch)
  }

  /// Expects `disk` to be seen as blkid sees it, and returns the type.
  @discardableResult
  private func compare(_ scratch: Scratch) throws -> String? {
    let fields = ["TYPE", "LABEL", "UUID", "UUID_SUB", "VERSION", "USAGE"]
    let loop = fields.map { "echo \"\($0)=$(blkid -p -s \($0) -o value disk || true)\"" }.joined(separator: "\n")
    let expected = try scratch.shell(loop).output
    let found = try FilesystemSignature.probe(FileSource(FilePath(scratch.path + "/disk")))
    let values = [found?.type, found?.label, found?.uuid, found?.deviceUUID, found?.version, found?.usage.rawValue]
    let ours = zip(fields, values).map { "\($0)=\($1 ?? "")\n" }.joined()
    #expect(ours == expected)
    return found?.type
  }

  /// Expects that wipefs sees no place that we do not, and nothing once all our places are zeroes.
  private func wipe(_ scratch: Scratch) throws {
    let path = FilePath(scratch.path + "/disk")
    let places = try FilesystemSignature.all(FileSource(path)).flatMap(\.magics)
    let known = Set(places.map { "0x" + String($0.lowerBound, radix: 16) })
    let shown = try scratch.shell("wipefs --parsable disk | sed -n '/^#/d; s/,.*//p'").output.split(separator: "\n")
    for place in shown { #expect(known.contains(String(place)) || place == "0x1fe", "\(place)") }
    let file = try OpenFile(path, .readWrite)
    for place in places { try file.write([UInt8](repeating: 0, count: place.count).raw, at: place.lowerBound) }
    #expect(try scratch.shell("wipefs --parsable disk").output == "")
    #expect(try FilesystemSignature.all(FileSource(path)).isEmpty)
  }

  @Test("Crafted superblocks are what blkid says", arguments: CraftedSuperblock.all)
  func crafted(_ test: CraftedSuperblock) throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 64M disk\n\(test.shell)")
    #expect(try compare(scratch) == test.type)
    try wipe(scratch)
  }

  @Test func md5AndCRC32CAreTheStandardOnes() {
    let vectors = [("", "d41d8cd98f00b204e9800998ecf8427e"), ("abc", "900150983cd24fb0d6963f7d28e17f72")]
    for (text, digest) in vectors { #expect(MD5.of(Array(text.utf8)).hexadecimal == digest) }
    let long = Array("12345678901234567890123456789012345678901234567890123456789012345678901234567890".utf8)
    #expect(MD5.of(long).hexadecimal == "57edf4a22be3c955ac49da2e2107b67a")
    #expect(crc32c("123456789".utf8) == 0xe306_9283)
  }

  @Test func staleSignaturesAreAllListed() throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 64M disk; mkfs.ext4 -q disk; truncate -s 64M b; mkfs.jfs -q b >/dev/null")
    try scratch.shell(
      "dd if=b of=disk bs=4096 skip=8 seek=8 count=1 conv=notrunc 2>/dev/null; "
        + "printf SWAPSPACE2 | dd of=disk bs=1 seek=4086 conv=notrunc 2>/dev/null; printf '\\1' | dd of=disk bs=1 seek=1024 conv=notrunc 2>/dev/null"
    )
    let found = try FilesystemSignature.all(FileSource(FilePath(scratch.path + "/disk")))
    #expect(found.map(\.type).contains("jfs"))
  }

  @Test func factsAndRowsShowWhatPartitionsHold() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 64M disk
      printf 'label: gpt\\nsize=32M,name="a\\tb"\\n' | sfdisk -q disk
      truncate -s 32M volume; mkfs.ext4 -q -L inside volume; dd if=volume of=disk bs=1M seek=1 conv=notrunc 2>/dev/null
      """)
    let source = try FileSource(FilePath(scratch.path + "/disk"))
    let table = try #require(try PartitionTable.read(from: source))
    let json = try table.facts(on: source).json
    #expect(json.contains("\"filesystem\":{\"type\":\"ext4\",\"usage\":\"filesystem\",\"label\":\"inside\""))
    #expect(json.contains("\"number\":1,\"start\":1048576,\"size\":33554432,"))
    let row = try #require(try table.rows(on: source).first)
    #expect(row.count == PartitionTable.columns.count)
    #expect(row[3] == "Linux filesystem" && row[7] == "ext4" && row[8] == "inside")
    #expect(table.regionFacts.json.hasPrefix("[{\"region\":\"protective MBR\",\"start\":0,\"size\":512}"))
  }
}
