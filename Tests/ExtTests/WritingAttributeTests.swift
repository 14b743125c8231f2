import BlockIO
import Ext
import Filesystems
import Support
import Testing

/// Extended attributes, access lists, owners and times that are changed.
@Suite struct WritingAttributeTests: VolumeChanging {
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
    let volume = try self.volume(scratch)
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

  @Test("Access lists and modes follow each other, as the kernel has it", .enabled(if: Machine.hasLoopDevices))
  func accessLists() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F -t ext4 disk")
    let volume = try self.volume(scratch)
    let file = try make("file", PatternContents(10), volume)
    let folder = try volume.transaction {
      try volume.create("folder", in: volume.root, attributes: attributes(.directory))
    }
    func entry(_ tag: UInt8, _ permissions: UInt8, _ number: [UInt8] = [255, 255, 255, 255]) -> [UInt8] {
      [tag, 0, permissions, 0] + number
    }
    let list =
      [2, 0, 0, 0] + entry(1, 6) + entry(2, 4, [0xe8, 3, 0, 0]) + entry(4, 4) + entry(16, 6) + entry(32, 0)
    try volume.transaction { try volume.setExtendedAttribute("system.posix_acl_access", to: list, of: file) }
    #expect(try volume.attributes(of: file).permissions == 0o660)
    try volume.transaction {
      var changed = try volume.attributes(of: file)
      changed.permissions = 0o640
      changed.modified = Timestamp(seconds: 5_000_000_000, nanoseconds: 123_456_789)
      changed.accessed = Timestamp(seconds: -5, nanoseconds: 7)
      try volume.setAttributes(changed, of: file)
    }
    try volume.transaction { try volume.setExtendedAttribute("system.posix_acl_default", to: list, of: folder) }
    let plain = [2, 0, 0, 0] + entry(1, 7) + entry(4, 5) + entry(32, 1)
    try volume.transaction { try volume.setExtendedAttribute("system.posix_acl_access", to: plain, of: folder) }
    try volume.finish()
    try check(scratch)
    let shown = """
      import os, sys
      os.chdir(sys.argv[1])
      for n in ("file", "folder"):
        s = os.stat(n)
        print(n, oct(s.st_mode & 0o7777), *["%s=%s" % (k[17:], os.getxattr(n, k).hex()) for k in sorted(os.listxattr(n))])
      s = os.stat("file"); print(s.st_mtime_ns, s.st_atime_ns)
      """
    let mount = try Mount(scratch)
    let text = try withExtendedLifetime(mount) { try run(["python3", "-c", shown, mount.folder], expecting: 0).output }
    func hex(_ bytes: [UInt8]) -> String {
      bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    var masked = list
    masked[4 + 3 * 8 + 2] = 4
    #expect(
      text == """
        file 0o640 access=\(hex(masked))
        folder 0o751 default=\(hex(list))
        5000000000123456789 -4999999993

        """)
  }
}
