import BlockIO
import Ext
import Filesystems
import Support
import SystemPackage
import Testing

/// A volume of certain features.
struct FeatureCase: Sendable, CustomStringConvertible {
  let options: String
  var size = "256M"
  var names = 1500
  var tree = "fallocate"
  var description: String { options }

  init(_ options: String, size: String = "256M", names: Int = 1500, tree: String = "fallocate") {
    self.options = options
    self.size = size
    self.names = names
    self.tree = tree
  }

  /// Volumes that this kernel mounts.
  static let mounted: [FeatureCase] = [
    FeatureCase("-t ext4", names: 30000, tree: "fallocate,huge"), FeatureCase("-t ext4 -O ^extent,^64bit", tree: "-"),
    FeatureCase("-t ext4 -O ^64bit"), FeatureCase("-t ext4 -b 1024", names: 12000),
    FeatureCase("-t ext4 -b 2048 -I 128 -O ^extra_isize,^metadata_csum"), FeatureCase("-t ext4 -I 1024"),
    FeatureCase("-t ext4 -I 128 -b 1024"), FeatureCase("-t ext4 -O bigalloc -C 16384"),
    FeatureCase("-t ext4 -O bigalloc -b 1024 -C 65536"), FeatureCase("-t ext4 -O meta_bg,^resize_inode -b 1024"),
    FeatureCase("-t ext4 -O ^flex_bg"), FeatureCase("-t ext4 -O inline_data -I 512"),
    FeatureCase("-t ext4 -O inline_data,^metadata_csum -b 1024"), FeatureCase("-t ext4 -O ea_inode"),
    FeatureCase("-t ext4 -O sparse_super2 -b 1024"), FeatureCase("-t ext4 -O uninit_bg,^metadata_csum"),
    FeatureCase("-t ext4 -O metadata_csum_seed"), FeatureCase("-t ext4 -O large_dir -b 1024", names: 40000),
    FeatureCase("-t ext4 -O orphan_file"), FeatureCase("-t ext4 -O ^dir_index", names: 1000),
    FeatureCase("-t ext4 -O ^has_journal,^huge_file,^dir_nlink"), FeatureCase("-t ext4 -O fast_commit"),
    FeatureCase("-t ext4 disk; tune2fs -E hash_alg=tea"),
    FeatureCase("-t ext4 -b 1024 disk; tune2fs -E hash_alg=legacy"),
    FeatureCase("-t ext2", tree: "-"),
    FeatureCase("-t ext2 -b 1024 -O ^sparse_super,^resize_inode,^filetype", tree: "-"),
    FeatureCase("-t ext2 -r 0 -b 1024 -O none", tree: "small"), FeatureCase("-t ext3", tree: "-"),
    FeatureCase("-t ext3 -b 1024 -O dir_index", names: 9000, tree: "-"),
  ]

  /// Makes the volume as `disk` and lets the kernel fill it.
  func make(in scratch: Scratch) throws {
    try scratch.shell("truncate -s \(size) disk; { mke2fs -q -F \(options) disk; } >/dev/null")
    let mount = try Mount(scratch, options: "rw")
    try withExtendedLifetime(mount) { try AwkwardTree.fill(mount.folder, count: names, options: tree) }
  }
}

@Suite struct FeatureTests {
  @Test("Volumes read as the kernel reads them", .enabled(if: Machine.hasLoopDevices), arguments: FeatureCase.mounted)
  func mounted(_ test: FeatureCase) throws {
    let scratch = try Scratch()
    try test.make(in: scratch)
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    #expect(volume.warnings == [])
    let mount = try Mount(scratch)
    var comparison = TreeComparison(volume)
    try withExtendedLifetime(mount) { try comparison.run(mount.folder) }
    #expect(comparison.differences == [])
    #expect(comparison.fileCount > 300)
    let report = try volume.quickCheck()
    #expect(report.findings == [])
    try compareFacts(volume, scratch)
    try compareSpace(volume, scratch)
  }

  @Test("Indexes of three levels lead to every name", .enabled(if: Machine.hasLoopDevices))
  func deepIndex() throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 128M disk; mke2fs -q -F -t ext4 -O large_dir -b 1024 -N 1000 disk")
    let mount = try Mount(scratch, options: "rw")
    let program = """
      import os, sys
      os.chdir(sys.argv[1]); os.mkdir("d"); open("d/first", "w").close()
      for i in range(60000): os.link("d/first", "d/%d-%s" % (i, "n" * 235))
      """
    try withExtendedLifetime(mount) { _ = try run(["python3", "-c", program, mount.folder], expecting: 0) }
    try scratch.shell("umount disk.mounted; mount -o loop,ro disk disk.mounted")
    let levels = try scratch.shell("debugfs -R 'htree_dump /d' disk 2>/dev/null | grep -m1 -i 'indirect levels'").output
    #expect(levels.contains("2"))
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    let directory = try #require(try volume.lookup("d", in: volume.root))
    let file = try #require(try volume.lookup("first", in: directory))
    let suffix = String(repeating: "n", count: 235)
    for number in stride(from: 0, to: 60000, by: 7) {
      let found = try volume.lookup(FileName("\(number)-\(suffix)"), in: directory)
      #expect(found == file)
    }
    #expect(try volume.lookup(FileName("60000-\(suffix)"), in: directory) == nil)
    var count = 0
    var position: UInt64 = 0
    while true {
      let batch = try volume.entries(of: directory, from: position, limit: 1000)
      guard let last = batch.last else { break }
      count += batch.count
      position = last.next
    }
    #expect(count == 60001)
  }

  /// Type, label, identifier, features and counts as dumpe2fs(8) and blkid(8) say them.
  private func compareFacts(_ volume: ExtVolume, _ scratch: Scratch) throws {
    let type = try scratch.shell("blkid -p -s TYPE -o value disk").output
    #expect(volume.type + "\n" == type)
    let lines = try scratch.shell("dumpe2fs -h disk 2>/dev/null").output.split(separator: "\n")
    func value(_ key: String) -> String? {
      let line = lines.first { $0.hasPrefix(key + ":") }
      return line.map { $0.dropFirst(key.count + 1).drop { $0 == " " }.split(separator: " ").joined(separator: " ") }
    }
    let features = volume.identity.features.joined(separator: " ")
    #expect(features == value("Filesystem features")?.replacing("(none)", with: ""))
    #expect(volume.identity.uuid == value("Filesystem UUID"))
    let counts = try volume.statistics()
    #expect(String(counts.blockCount) == value("Block count"))
    #expect(String(counts.freeBlockCount) == value("Free blocks"))
    #expect(counts.freeInodeCount.map { String($0) } == value("Free inodes"))
  }

  /// Free ranges as dumpe2fs(8) lists them.
  private func compareSpace(_ volume: ExtVolume, _ scratch: Scratch) throws {
    let text = try scratch.shell("dumpe2fs disk 2>/dev/null | sed -n 's/^  Free blocks: *//p'").output
    // Of a range of clusters dumpe2fs tells the first block of the last one.
    let facts = try scratch.shell("dumpe2fs -h disk 2>/dev/null | sed -n 's/^\\(Block\\|Cluster\\) size: *//p'").output
    let sizes = facts.split(separator: "\n").compactMap { UInt64($0) }
    let unit = sizes.count == 2 ? sizes[1] / sizes[0] : 1
    var expected: [Range<UInt64>] = []
    for part in text.split(whereSeparator: { $0 == "\n" || $0 == "," || $0 == " " }) {
      let ends = part.split(separator: "-").compactMap { UInt64($0) }
      guard let first = ends.first, let last = ends.last else { continue }
      join(&expected, first..<(last + unit))
    }
    let counts = try volume.statistics()
    let size = UInt64(counts.blockSize)
    var found: [Range<UInt64>] = []
    var offset: UInt64 = 0
    let end = counts.blockCount * size
    while offset < end {
      let extent = try volume.allocation(at: offset, limit: end)
      #expect(extent.offset == offset && extent.length > 0)
      if extent.kind == .unused { join(&found, (offset / size)..<(extent.end / size)) }
      offset = extent.end
    }
    let isSame = found == expected
    #expect(isSame, "\(found.prefix(5)), not \(expected.prefix(5))")
  }

  private func join(_ ranges: inout [Range<UInt64>], _ next: Range<UInt64>) {
    if let last = ranges.last, last.upperBound == next.lowerBound {
      ranges[ranges.count - 1] = last.lowerBound..<next.upperBound
    } else {
      ranges.append(next)
    }
  }
}
