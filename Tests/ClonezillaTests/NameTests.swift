import Bytes
import Clonezilla
import Images
import Support
import SystemPackage
import Testing

/// Names of devices and of images.
@Suite struct NameTests {
  @Test(arguments: ["sda2", "/dev/nvme0n1p2", "cciss/c0d0p1", "md126", "luks-9f36038f-7cb9", "mmcblk0p1"])
  func devices(_ word: String) throws {
    let name = try #require(DeviceName(word))
    #expect(!name.fileName.contains("/"))
  }

  @Test(arguments: [
    "", "/", "..", "../sda", "/dev/../sda", "a/b", "/etc/passwd", ".hidden", "sda\u{0}", "sd a", "cciss/../x", "sda;x",
    "/dev/", "cciss/", "sda\u{1b}[2J", "ｓda", String(repeating: "a", count: 200),
  ])
  func noDevices(_ word: String) { #expect(DeviceName(word) == nil) }

  @Test(
    arguments: [
      ("sda", "sda3", 3), ("nvme0n1", "nvme0n1p12", 12), ("cciss/c0d0", "cciss/c0d0p1", 1), ("sda", "sdaa1", nil),
      ("sda", "sda", nil), ("nvme0n1", "nvme0n12", nil), ("sda", "sda01", nil), ("sda", "sda99999999999999999999", nil),
    ] as [(String, String, Int?)])
  func numbers(_ disk: String, _ partition: String, _ number: Int?) throws {
    let disk = try #require(DeviceName(disk))
    #expect(DeviceName(partition)?.number(on: disk) == number)
    if let number { #expect(disk.partition(number)?.name == partition) }
  }

  /// Files of a folder, and what their names say: tool, filesystem, compression, how many pieces.
  @Test(arguments: [
    ("sda1.ext4-ptcl-img.zst", "partclone ext4 zst 1"), ("sda1.ext4-ptcl-img.gz.aa", "partclone ext4 gz 1"),
    ("sda1.ext4-ptcl-img.gz.aa sda1.ext4-ptcl-img.gz.ab", "partclone ext4 gz 2"),
    ("sda1.ext4-ptcl-img.xz.aaa sda1.ext4-ptcl-img.xz.aab", "partclone ext4 xz 2"),
    ("sda1.hfsp-img.aa sda1.hfsp-img.ab", "partclone hfsp - 2"), ("sda1.ext3-img", "partclone ext3 - 1"),
    ("sda1.ntfs-img.aa sda1.ntfs-img.ab", "ntfsclone ntfs - 2"), ("sda1.ntfs-img", "ntfsclone ntfs - 1"),
    ("sda1.ntfs-ptcl-img.uncomp", "partclone ntfs uncomp 1"), ("sda1.dd-img.aa", "dd - - 1"),
    ("sda1.dd-img sda1.dd-img.info", "dd - - 1"), ("sda1.dd-ptcl-img.lz4", "dd - lz4 1"),
    ("sda1.aa sda1.ab sda1.ac", "partimage - - 3"), ("sda1.000 sda1.001", "partimage - - 2"),
    ("sda1.files-md5sum.info.gz", "none"), ("sda1.img", "none"), ("sda12.ext4-ptcl-img.zst", "none"),
    ("sda1.ext4-ptcl-img.exe", "none"), ("sda1-luksHeader.bin", "none"),
  ])
  func images(_ files: String, _ expected: String) throws {
    let folder = try TestFolder(
      "mbr", "rm *; touch \(files); printf '/dev/sda1 : start= 2048, size= 8, Id=83\\n' > sda-pt.sf")
    let partition = try #require(try folder.open().disks.first?.partitions.first)
    let found = partition.image.map {
      "\($0.tool) \($0.filesystem ?? "-") \($0.compression ?? "-") \($0.pieces.count)"
    }
    #expect(found ?? "none" == expected)
  }

  @Test func piecesPastTheAlphabet() throws {
    let folder = try TestFolder(
      "mbr",
      """
      rm *; head -c 660 /dev/urandom | split -b 1 - sda1.ext4-ptcl-img.gz.; printf 'sda1' > parts
      printf '/dev/sda1 : start= 2048, size= 8, Id=83\\n' > sda-pt.sf
      """)
    let image = try #require(try folder.open().disks.first?.partitions.first?.image)
    #expect(image.pieces.count == 660 && image.pieces[649].hasSuffix(".yz") && image.pieces[650].hasSuffix(".zaaa"))
  }
}
