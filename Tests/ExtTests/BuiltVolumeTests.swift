import BlockIO
import Ext
import Filesystems
import Support
import SystemPackage
import Testing

/// Volumes that this kernel does not mount: mke2fs(8) fills them.
@Suite struct BuiltVolumeTests {
  static let options = [
    "-t ext4 -b 65536", "-t ext4 -b 16384 -O ^metadata_csum", "-t ext2 -b 65536", "-t ext4 -b 32768 -O inline_data",
    "-t ext4 -O casefold -E encoding=utf8", "-t ext4 -O quota,project,verity,encrypt", "-t ext4 -b 8192 -O ea_inode",
    "-t ext4 -O stable_inodes,large_dir -b 65536 -I 4096", "-t ext4 -b 16384 -O meta_bg,^resize_inode",
  ]

  @Test("Volumes filled by mke2fs read like their source", arguments: options)
  func built(_ options: String) throws {
    let scratch = try Scratch()
    try scratch.shell("mkdir tree")
    try AwkwardTree.fill(scratch.file("tree"), count: 4000, options: "small")
    try scratch.shell(
      """
      # What mke2fs -d itself does not copy right: sockets, times and holes of no interest here.
      rm -r tree/kinds/socket tree/times
      truncate -s 600M disk; mke2fs -q -F -N 20000 -d tree \(options) disk 2>/dev/null
      """)
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    try scratch.shell(
      "mkdir -m 755 tree/lost+found; chmod --reference=/root tree; chmod 700 tree/lost+found; chmod 755 tree")
    var comparison = TreeComparison(volume, [])
    try comparison.run(scratch.file("tree"))
    #expect(comparison.differences == [])
    #expect(comparison.fileCount > 300)
    #expect(try volume.quickCheck().findings == [])
  }

  @Test("Casefolded directories find names in any case", arguments: ["", "e2fsck -fyD disk"])
  func casefold(_ index: String) throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      mkdir -p tree/d; cd tree/d
      touch Hello GRÖSSE Straße ΣΊΣΥΦΟΣ café $'\\xff\\xfeRaw' Kelvin ınce
      x=$(printf 'x%.0s' $(seq 60)); for i in $(seq 900); do : >"Name-Number-$i-$x"; done
      cd ../..
      truncate -s 64M disk; mke2fs -q -F -t ext4 -O casefold -E encoding=utf8 -d tree disk
      debugfs -w -R 'set_inode_field d flags 0x40080000' disk 2>/dev/null
      { e2fsck -fy disk; \(index.isEmpty ? "true" : index); } >log 2>&1 || test $? -le 1
      """)
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    let directory = try #require(try volume.lookup("d", in: volume.root))
    let isFolded = try volume.attributes(of: directory).flags.contains("casefold")
    #expect(isFolded)
    let long = String(repeating: "X", count: 60)
    let pairs: [(String, String)] = [
      ("Hello", "hELLO"), ("GRÖSSE", "größe"), ("GRÖSSE", "gro\u{308}sse"), ("Straße", "STRASSE"),
      ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("café", "CAFE\u{301}"), ("café", "CA\u{200d}FÉ"), ("Kelvin", "\u{212a}elvin"),
      ("Name-Number-77-" + long.lowercased(), "NAME-NUMBER-77-" + long),
      ("Name-Number-900-" + long.lowercased(), "name-number-900-" + long),
    ]
    for (stored, asked) in pairs {
      let file = try volume.lookup(FileName(stored), in: directory)
      #expect(file != nil, "\(stored)")
      #expect(try volume.lookup(FileName(asked), in: directory) == file, "\(asked)")
    }
    #expect(try volume.lookup(FileName([0xff, 0xfe] + Array("Raw".utf8)), in: directory) != nil)
    #expect(try volume.lookup(FileName([0xff, 0xfe] + Array("RAW".utf8)), in: directory) == nil)
    #expect(try volume.lookup("Ince", in: directory) == nil)
    #expect(try volume.lookup("hello", in: volume.root) == nil)
    let listed = try volume.entries(of: directory, from: 0, limit: 5000)
    #expect(listed.count == 908)
    for entry in listed { #expect(try volume.lookup(entry.name, in: directory) == entry.file) }
  }

  @Test("A volume of 15 TiB is read in little memory")
  func huge() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      mkdir tree; echo contents > tree/file
      truncate -s 15T disk; mke2fs -q -F -t ext4 -E lazy_itable_init=1,nodiscard -J size=4 -i 4194304 -d tree disk
      """)
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    let file = try #require(try volume.lookup("file", in: volume.root))
    #expect(try volume.contents(of: file).byteCount == 9)
    let counts = try volume.statistics()
    let expected = try scratch.shell("dumpe2fs -h disk 2>/dev/null | sed -n 's/^Free blocks: *//p'").output
    #expect("\(counts.freeBlockCount)\n" == expected)
    #expect(try volume.quickCheck().findings == [])
    var offset: UInt64 = 0
    var free: UInt64 = 0
    let end = counts.blockCount * 4096
    while offset < end {
      let extent = try volume.allocation(at: offset, limit: end)
      if extent.kind == .unused { free += extent.length }
      offset = extent.end
    }
    #expect(free == counts.freeBlockCount * 4096)
  }

  @Test("Journal devices are no volumes, ext volumes are probed")
  func probes() throws {
    let scratch = try Scratch()
    try scratch.shell(
      "truncate -s 16M a b c; mke2fs -q -F -O journal_dev a; mke2fs -q -F -t ext4 b; mkswap c 2>/dev/null >&2")
    func probe(_ name: String) throws -> Bool { try FilesystemType.ext.probe(FileSource(FilePath(scratch.file(name)))) }
    #expect(try !probe("a"))
    #expect(try probe("b"))
    #expect(try !probe("c"))
    #expect(throws: ImageError.self) { try FilesystemType.ext.open(FileSource(FilePath(scratch.file("a")))) }
  }
}
