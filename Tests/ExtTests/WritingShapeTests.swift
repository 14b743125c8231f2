import BlockIO
import Ext
import Filesystems
import Support
import Testing

/// Shapes of volumes and files that chance does not make: full, fragmented, large, shared, preallocated.
@Suite struct WritingShapeTests: VolumeChanging {
  @Test("A large file in lists of lists of blocks", .enabled(if: Machine.hasLoopDevices))
  func lists() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 700M disk; mke2fs -q -F -t ext2 -b 1024 disk")
    var volume = try self.volume(scratch)
    let file = try make("large", PatternContents(300 << 20), volume)
    try volume.finish()
    try check(scratch)
    try compare(scratch, "large", 300 << 20)
    for size: UInt64 in [200_000_123, 67_383_296, 70_000, 12288] {
      volume = try self.volume(scratch)
      try volume.transaction { try volume.truncate(file, to: size) }
      try volume.finish()
      try check(scratch)
      try compare(scratch, "large", Int(size))
    }
    volume = try self.volume(scratch)
    try volume.transaction { try volume.truncate(file, to: 290_000_000) }
    try volume.transaction { try volume.append(PatternContents(5000), to: file) }
    try volume.finish()
    try check(scratch)
    try volume.transaction { try volume.remove("large", from: volume.root) }
    try volume.finish()
    try check(scratch)
  }

  @Test("Space in pieces makes deep trees", .enabled(if: Machine.hasLoopDevices), arguments: ["-b 1024", "-b 4096"])
  func fragmented(_ options: String) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F -t ext4 -N 16000 \(options) disk")
    let program = """
      import os, sys
      os.chdir(sys.argv[1]); os.mkdir("d")
      i = 0
      try:
        while i < 15000:
          with open("d/%d" % i, "wb") as f: f.write(b"x" * 4096)
          i += 1
      except OSError: pass
      for j in range(0, i, 2): os.unlink("d/%d" % j)
      """
    let mount = try Mount(scratch, options: "rw")
    try withExtendedLifetime(mount) { _ = try run(["python3", "-c", program, mount.folder], expecting: 0) }
    try scratch.shell("umount disk.mounted")
    var volume = try self.volume(scratch)
    let size: UInt64 = 20 << 20
    let file = try make("pieces", PatternContents(size), volume)
    try volume.finish()
    try check(scratch)
    let depth = try scratch.shell("debugfs -R 'dump_extents -n /pieces' disk 2>/dev/null | tail -1").output
    #expect(depth.contains("/ 2"), "\(depth)")
    try compare(scratch, "pieces", Int(size))
    volume = try self.volume(scratch)
    try volume.transaction { try volume.truncate(file, to: size / 2 + 100) }
    try volume.finish()
    try check(scratch)
    try compare(scratch, "pieces", Int(size / 2 + 100))
    volume = try self.volume(scratch)
    try volume.transaction { try volume.replaceContents(of: file, with: PatternContents(1 << 20)) }
    try volume.finish()
    try check(scratch)
    volume = try self.volume(scratch)
    try volume.transaction { try volume.truncate(file, to: 100) }
    try volume.transaction { try volume.remove("pieces", from: volume.root) }
    try volume.finish()
    try check(scratch)
  }

  @Test("A full volume stays as it was", arguments: ["-t ext4", "-t ext2 -b 1024", "-t ext4 -O bigalloc -C 16384"])
  func full(_ options: String) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 24M disk; mke2fs -q -F \(options) disk 2>/dev/null")
    let volume = try self.volume(scratch)
    let file = try make("small", PatternContents(100_000), volume)
    try volume.finish()
    try scratch.shell("cp disk before")
    let again = try self.volume(scratch)
    func refused(_ body: () throws -> Void) {
      do {
        try again.transaction(body)
        Issue.record("there was room")
      } catch let error as FileError where error.reason == .noSpace {} catch { Issue.record("\(error)") }
    }
    refused { try again.replaceContents(of: file, with: PatternContents(40 << 20)) }
    refused { try again.append(PatternContents(40 << 20), to: file) }
    refused {
      let new = try again.create("new", in: again.root, attributes: attributes())
      try again.replaceContents(of: new, with: PatternContents(40 << 20))
    }
    try again.finish()
    try scratch.shell("cmp disk before")
    #expect(try again.lookup("new", in: again.root) == nil)
    #expect(try again.attributes(of: file).byteCount == 100_000)
  }

  @Test(
    "Blocks taken in advance are given up or written", .enabled(if: Machine.hasLoopDevices),
    arguments: [
      "-t ext4", "-t ext4 -b 1024", "-t ext4 -O bigalloc -C 16384",
    ])
  func preallocated(_ options: String) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F \(options) disk 2>/dev/null")
    let mount = try Mount(scratch, options: "rw")
    try scratch.shell(
      """
      cd disk.mounted
      for f in a b c; do head -c 5000 /dev/zero | tr '\\0' y >$f; fallocate -n -l 1M $f; done
      fallocate -l 100000 d; truncate -s 70001 d; fallocate -l 50000 e
      dd if=/dev/zero bs=1k count=3 2>/dev/null | tr '\\0' s | dd of=f bs=1k seek=9 2>/dev/null
      """)
    withExtendedLifetime(mount) {}
    try scratch.shell("umount disk.mounted")
    let volume = try self.volume(scratch)
    func file(_ name: FileName) throws -> FileID { try #require(try volume.lookup(name, in: volume.root)) }
    let added = BytesContents([UInt8](repeating: 0x7a, count: 9000))
    for name: FileName in ["a", "d", "e", "f"] { try volume.transaction { try volume.append(added, to: file(name)) } }
    try volume.transaction { try volume.truncate(file("b"), to: 4097) }
    try volume.transaction { try volume.truncate(file("b"), to: 9000) }
    try volume.transaction { try volume.replaceContents(of: file("c"), with: added) }
    try volume.finish()
    try check(scratch)
    let again = try Mount(scratch)
    let text = try withExtendedLifetime(again) {
      try scratch.shell(
        """
        cd disk.mounted
        for f in a b c d e f; do
          echo $f $(stat -c %s $f) $(tr -d -c y <$f | wc -c) $(tr -d -c z <$f | wc -c) $(tail -c 9000 $f | tr -d -c z | wc -c)
        done
        """
      ).output
    }
    #expect(
      text == """
        a 14000 5000 9000 9000
        b 9000 4097 0 0
        c 9000 0 9000 9000
        d 79001 0 9000 9000
        e 59000 0 9000 9000
        f 21288 0 9000 9000

        """)
  }

  @Test("A volume of 2 TiB is changed")
  func huge() throws {
    let scratch = try Scratch()
    try scratch.shell(
      "truncate -s 2T disk; mke2fs -q -F -t ext4 -E lazy_itable_init=1,nodiscard -J size=4 -i 4194304 disk")
    let volume = try self.volume(scratch)
    for index in 0..<20 {
      _ = try volume.transaction {
        try volume.create(FileName("d\(index)"), in: volume.root, attributes: attributes(.directory))
      }
      let directory = try #require(try volume.lookup(FileName("d\(index)"), in: volume.root))
      try volume.transaction {
        let file = try volume.create("f", in: directory, attributes: attributes())
        try volume.replaceContents(of: file, with: PatternContents(100_000))
      }
    }
    try volume.finish()
    try check(scratch)
    let groups = try scratch.shell("dumpe2fs disk 2>/dev/null | grep -c ', [1-9][0-9]* directories'").output
    #expect((Int(groups.split(separator: "\n").first ?? "") ?? 0) > 10, "\(groups)")
  }

  @Test("What is more than the journal holds is removed in pieces, or refused before anything is written")
  func largerThanTheJournal() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 450M disk
      mke2fs -q -F -t ext4 -b 1024 -g 256 -N 3600 -O ^resize_inode,^flex_bg,meta_bg -J size=1 disk
      """)
    var volume = try self.volume(scratch)
    let file = try make("large", PatternContents(75 << 20), volume)
    for size: UInt64 in [150, 225, 300] { try addTo(file, upTo: size << 20, volume) }
    try volume.finish()
    try check(scratch)
    try scratch.shell("cp --sparse=always disk before")
    volume = try self.volume(scratch)
    #expect(throws: ImageError.self) {
      try volume.transaction { try volume.replaceContents(of: file, with: PatternContents(1000)) }
    }
    try volume.finish()
    try scratch.shell("cmp disk before")
    volume = try self.volume(scratch)
    try volume.transaction { try volume.truncate(file, to: 1_000_001) }
    try volume.finish()
    try check(scratch)
    volume = try self.volume(scratch)
    for size: UInt64 in [75, 150, 225, 300] { try addTo(file, upTo: size << 20, volume) }
    try volume.transaction { try volume.remove("large", from: volume.root) }
    try volume.finish()
    try check(scratch)
  }

  private func addTo(_ file: FileID, upTo size: UInt64, _ volume: ExtVolume) throws {
    let count = try size - volume.attributes(of: file).byteCount
    try volume.transaction { try volume.append(PatternContents(count), to: file) }
  }
}
