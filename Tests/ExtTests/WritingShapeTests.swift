import BlockIO
import Ext
import Filesystems
import Support
import Testing

/// Contents made up as they are read: every byte follows from its place.
final class PatternContents: FileContents {
  let byteCount: UInt64
  init(_ byteCount: UInt64) { self.byteCount = byteCount }
  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    let count = buffer.byteCount
    buffer.withUnsafeMutableBytes { bytes in
      for index in 0..<count { bytes[index] = UInt8(truncatingIfNeeded: (offset + UInt64(index)) / 4096 &* 37 &+ 1) }
    }
  }

  /// Compares a file of the host with the contents; prints `same` at the end.
  static let comparison = """
    import sys
    path, size = sys.argv[1], int(sys.argv[2])
    with open(path, "rb") as f:
      for place in range(0, size, 4096):
        n = min(4096, size - place)
        got = f.read(n)
        if got != bytes([(place // 4096 * 37 + 1) % 256]) * n: sys.exit("differs at %d" % place)
      if f.read(1): sys.exit("longer")
    print("same")
    """
}

/// Shapes of volumes and files that chance does not make: full, fragmented, large, shared, preallocated.
@Suite struct WritingShapeTests {
  /// A volume in `disk` that is opened for changing.
  private func open(_ scratch: Scratch) throws -> ExtVolume { try ExtVolume(writing: FileStore(scratch.file("disk"))) }

  private func check(_ scratch: Scratch, _ place: SourceLocation = #_sourceLocation) throws {
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)", sourceLocation: place)
  }

  private func attributes(_ kind: FileKind = .regular) -> FileAttributes {
    FileAttributes(
      kind: kind, permissions: 0o644, byteCount: 0, allocatedByteCount: 0, modified: Timestamp(seconds: 1_700_000_000))
  }

  private func make(_ name: FileName, _ contents: any FileContents, _ volume: ExtVolume) throws -> FileID {
    try volume.transaction {
      let file = try volume.create(name, in: volume.root, attributes: attributes())
      try volume.replaceContents(of: file, with: contents)
      return file
    }
  }

  private func compare(_ scratch: Scratch, _ name: String, _ size: Int) throws {
    let mount = try Mount(scratch)
    try withExtendedLifetime(mount) {
      let result = try run(["python3", "-c", PatternContents.comparison, mount.folder + "/" + name, "\(size)"])
      #expect(result.output == "same\n", "\(result.text)")
    }
  }

  @Test("A large file in lists of lists of blocks", .enabled(if: Machine.hasLoopDevices))
  func lists() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 700M disk; mke2fs -q -F -t ext2 -b 1024 disk")
    var volume = try open(scratch)
    let file = try make("large", PatternContents(300 << 20), volume)
    try volume.finish()
    try check(scratch)
    try compare(scratch, "large", 300 << 20)
    for size: UInt64 in [200_000_123, 67_383_296, 70_000, 12288] {
      volume = try open(scratch)
      try volume.transaction { try volume.truncate(file, to: size) }
      try volume.finish()
      try check(scratch)
      try compare(scratch, "large", Int(size))
    }
    volume = try open(scratch)
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
    var volume = try open(scratch)
    let size: UInt64 = 20 << 20
    let file = try make("pieces", PatternContents(size), volume)
    try volume.finish()
    try check(scratch)
    let depth = try scratch.shell("debugfs -R 'dump_extents -n /pieces' disk 2>/dev/null | tail -1").output
    #expect(depth.contains("/ 2"), "\(depth)")
    try compare(scratch, "pieces", Int(size))
    volume = try open(scratch)
    try volume.transaction { try volume.truncate(file, to: size / 2 + 100) }
    try volume.finish()
    try check(scratch)
    try compare(scratch, "pieces", Int(size / 2 + 100))
    volume = try open(scratch)
    try volume.transaction { try volume.replaceContents(of: file, with: PatternContents(1 << 20)) }
    try volume.finish()
    try check(scratch)
    volume = try open(scratch)
    try volume.transaction { try volume.truncate(file, to: 100) }
    try volume.transaction { try volume.remove("pieces", from: volume.root) }
    try volume.finish()
    try check(scratch)
  }

  @Test("A full volume stays as it was", arguments: ["-t ext4", "-t ext2 -b 1024", "-t ext4 -O bigalloc -C 16384"])
  func full(_ options: String) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 24M disk; mke2fs -q -F \(options) disk 2>/dev/null")
    let volume = try open(scratch)
    let file = try make("small", PatternContents(100_000), volume)
    try volume.finish()
    try scratch.shell("cp disk before")
    let again = try open(scratch)
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
    "Attributes that files share, or that lie in inodes, go with their last user", .enabled(if: Machine.hasLoopDevices))
  func sharedAttributes() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F -t ext4 -b 4096 -O ea_inode disk")
    let program = """
      import os, sys
      os.chdir(sys.argv[1])
      for name in "abcdef":
        open(name, "w").close()
        os.setxattr(name, "user.shared", b"v" * 1500)
        os.setxattr(name, "user.small", b"w")
      for name in "ghi":
        open(name, "w").close()
        os.setxattr(name, "user.large", b"z" * 9000)
        os.setxattr(name, "user.other", b"o" * 900)
      """
    let mount = try Mount(scratch, options: "rw")
    try withExtendedLifetime(mount) { _ = try run(["python3", "-c", program, mount.folder], expecting: 0) }
    try scratch.shell("umount disk.mounted")
    let volume = try open(scratch)
    func file(_ name: FileName) throws -> FileID { try #require(try volume.lookup(name, in: volume.root)) }
    try volume.transaction { try volume.setExtendedAttribute("user.more", to: Array("more".utf8), of: file("a")) }
    try volume.transaction {
      try volume.setExtendedAttribute("user.shared", to: [UInt8](repeating: 1, count: 2000), of: file("b"))
    }
    try volume.transaction { try volume.setExtendedAttribute("user.shared", to: nil, of: file("c")) }
    try volume.transaction { try volume.remove("d", from: volume.root) }
    try volume.transaction { try volume.setExtendedAttribute("user.large", to: nil, of: file("g")) }
    try volume.transaction { try volume.remove("h", from: volume.root) }
    try volume.transaction {
      try volume.setExtendedAttribute("user.new", to: [UInt8](repeating: 7, count: 20000), of: file("f"))
    }
    try volume.finish()
    try check(scratch)
    let again = try Mount(scratch)
    let shown = """
      import os, sys
      os.chdir(sys.argv[1])
      for n in sorted(os.listdir(".")):
        print(n, *["%s=%d" % (k, len(os.getxattr(n, k))) for k in sorted(os.listxattr(n))])
      """
    let text = try withExtendedLifetime(again) { try run(["python3", "-c", shown, again.folder], expecting: 0).output }
    #expect(
      text == """
        a user.more=4 user.shared=1500 user.small=1
        b user.shared=2000 user.small=1
        c user.small=1
        e user.shared=1500 user.small=1
        f user.new=20000 user.shared=1500 user.small=1
        g user.other=900
        i user.large=9000 user.other=900
        lost+found

        """)
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
    let volume = try open(scratch)
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
    let volume = try open(scratch)
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
}
