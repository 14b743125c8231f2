import BlockIO
import Bytes
import Ext
import Filesystems
import Glibc
import Support
import SystemPackage
import Testing

/// Volumes that lost their kernel, changed by us.
@Suite(.enabled(if: Machine.hasLoopDevices)) struct RecoveryWritingTests {
  private static let file = FileAttributes(
    kind: .regular, permissions: 0o644, owner: 0, group: 0, byteCount: 0, allocatedByteCount: 0,
    modified: Timestamp(seconds: 1_700_000_000))

  /// All kinds of unclean volumes with `QFLASH_STRESS_CUTS`, else some.
  private static let cases = UncleanCase.all.enumerated().filter {
    getenv("QFLASH_STRESS_CUTS") != nil || [0, 2, 5, 9, 10, 12].contains($0.offset)
  }.map(\.element)

  @Test("The first change recovers the journal on the volume", arguments: cases)
  func recovered(_ test: UncleanCase) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try test.make(in: scratch)
    try scratch.shell("cp --sparse=always disk recovered")
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    try volume.transaction {
      let new = try volume.create("ours", in: volume.root, attributes: Self.file)
      try volume.replaceContents(of: new, with: BytesContents([1, 2, 3]))
    }
    try volume.transaction { try volume.remove("ours", from: volume.root) }
    try volume.finish()
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)")
    let read = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    #expect(read.warnings == [])
    let mount = try Mount(scratch, "recovered", options: "rw,noatime")
    var comparison = TreeComparison(read)
    try withExtendedLifetime(mount) { try comparison.run(mount.folder) }
    // The times of the root are those of our changes.
    let differences = comparison.differences.filter { !$0.hasPrefix(mount.folder + ":") }
    #expect(differences == [])
    #expect(comparison.fileCount > 300)
  }

  @Test(
    "A power cut while the journal is recovered and orphans are removed",
    arguments: ["-t ext4 -b 1024", "-t ext4 -O orphan_file -b 1024", "-t ext3 -b 1024"])
  func cuts(_ options: String) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 16M disk; { mke2fs -q -F \(options) disk 2>&1; } >/dev/null")
    let mount = try Mount(scratch, options: "rw")
    _ = try withExtendedLifetime(mount) {
      try scratch.shell(
        """
        cd disk.mounted; mkdir a b; for i in $(seq 40); do head -c ${i}00 /dev/urandom > a/$i; done; sync -f .
        mv a/1 b; rm a/2; ln a/3 b/3; mkdir b/c; echo new > b/c/file; head -c 200000 /dev/urandom > held
        exec 9<held; rm held; sync -f .; xfs_io -x -c 'shutdown -f' .
        """)
    }
    try scratch.shell("umount disk.mounted; cp disk before; cp disk recovered; e2fsck -fy recovered || test $? = 1")
    let recovered = try TreeState(ExtVolume(FileStore(scratch.file("recovered"))))
    let store = try RecordingStore(FileStore(scratch.file("disk")))
    let volume = try ExtVolume(writing: store)
    #expect(!volume.warnings.isEmpty)
    try volume.transaction {
      let new = try volume.create("ours", in: volume.root, attributes: Self.file)
      try volume.replaceContents(of: new, with: PatchPlan.bytes(3000, 1))
    }
    try volume.finish()
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)")
    let changed = try TreeState(volume)
    #expect(changed.differences(from: recovered) == ["/ours"])
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    let stride = getenv("QFLASH_STRESS_CUTS") == nil ? 3 : 1
    for writes in Swift.stride(from: 0, through: store.events.writeCount, by: stride) {
      for isReordered in [false, true] {
        let comment: Comment = "\(writes) writes, \(isReordered ? "reordered, seed \(seed)" : "in order")"
        try scratch.shell("cp before cut")
        if isReordered {
          try store.events.replayReordered(writes: writes, to: scratch.file("cut"), random: &random)
        } else {
          try store.events.replay(writes: writes, to: scratch.file("cut"))
        }
        let repair = try scratch.shell("e2fsck -fy cut", expecting: nil)
        let again = try scratch.shell("e2fsck -fn cut", expecting: nil)
        #expect(repair.status <= 1 && again.status == 0, "\(comment): \(repair.text)\(again.text)")
        let state = try TreeState(ExtVolume(FileStore(scratch.file("cut"))))
        let isExpected = state == recovered || state == changed
        #expect(isExpected, "\(comment): \(state.differences(from: recovered))")
      }
    }
  }

  @Test("What does not fit the journal is refused, and nothing is written")
  func tooMuch() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F -t ext4 -b 1024 -J size=1 -N 20000 disk; md5sum < disk > sum")
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    #expect(throws: ImageError.self) {
      try volume.transaction {
        for number in 0..<5000 {
          _ = try volume.create(FileName("file \(number)"), in: volume.root, attributes: Self.file)
        }
      }
    }
    try scratch.shell("md5sum < disk | cmp - sum")
    try volume.transaction { _ = try volume.create("small", in: volume.root, attributes: Self.file) }
    try volume.finish()
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)")
  }

  @Test("Large blocks, whose lengths of entries have a form of their own", arguments: [16384, 65536])
  func largeBlocks(_ size: Int) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell(
      """
      truncate -s 900M disk; mke2fs -q -F -t ext4 -b \(size) -N 8000 disk 2>/dev/null
      debugfs -w -R 'mkdir d' disk 2>/dev/null
      """)
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    let directory = try #require(try volume.lookup("d", in: volume.root))
    let names = (0..<3000).map { "\($0) " + String(repeating: "m", count: $0 % 60) }
    for start in stride(from: 0, to: names.count, by: 500) {
      try volume.transaction {
        for name in names[start..<(start + 500)] {
          _ = try volume.create(FileName(name), in: directory, attributes: Self.file)
        }
      }
    }
    try volume.transaction {
      for name in names where name.hasPrefix("7") { try volume.remove(FileName(name), from: directory) }
    }
    try volume.finish()
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)")
    for name in names { #expect(try (volume.lookup(FileName(name), in: directory) == nil) == name.hasPrefix("7")) }
    let listed = try scratch.shell("debugfs -R 'ls -p /d' disk 2>/dev/null | grep -c ' '").output
    #expect(Int(listed.dropLast()) ?? 0 >= names.count { !$0.hasPrefix("7") })
  }
}
