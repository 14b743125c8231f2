import BlockIO
import Ext
import Filesystems
import Support
import SystemPackage
import Testing

@Suite struct EncryptionTests {
  /// A Python program that encrypts the folder named first with a key of its own and fills it.
  private static let program = """
    import fcntl, os, struct, sys
    os.chdir(sys.argv[1]); os.mkdir("secret")
    top = os.open(".", os.O_RDONLY)
    key = bytes(range(64))
    argument = bytearray(struct.pack("<II32xII32x", 2, 0, len(key), 0) + key)
    fcntl.ioctl(top, 0xC0506617, argument)
    policy = struct.pack("<BBBB4x", 2, 1, 4, 3) + bytes(argument[8:24])
    fcntl.ioctl(os.open("secret", os.O_RDONLY), 0x800C6613, policy)
    for i in range(300):
      with open("secret/a name %d %s" % (i, "x" * (i % 200)), "wb") as f: f.write(b"secret" * i)
    os.mkdir("secret/folder"); os.symlink("folder", "secret/link")
    with open("plain", "w") as f: f.write("plain")
    """

  @Test("Encrypted names are opaque, encrypted contents refused", .enabled(if: Machine.hasLoopDevices))
  func encrypted() throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F -t ext4 -O encrypt disk")
    let mount = try Mount(scratch, options: "rw")
    let filled = try withExtendedLifetime(mount) {
      try run(["python3", "-c", Self.program, mount.folder])
    }
    guard filled.status == 0 else { return print("skipped: this kernel does not encrypt: \(filled.error)") }
    try scratch.shell("umount disk.mounted; mount -o loop,ro disk disk.mounted; ls -Ai disk.mounted/secret > listing")
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    let directory = try #require(try volume.lookup("secret", in: volume.root))
    #expect(try volume.attributes(of: directory).flags.contains("encrypted"))
    let entries = try volume.entries(of: directory, from: 0, limit: 1000)
    let listing = try scratch.shell("cat listing").output.split(separator: "\n")
    let expected = Set(listing.compactMap { $0.split(separator: " ").first.flatMap { UInt64($0) } })
    #expect(Set(entries.map(\.file.number)) == expected)
    #expect(entries.count == 302 && Set(entries.map(\.name)).count == 302)
    for entry in entries {
      #expect(entry.name.isOrdinary)
      #expect(try volume.lookup(entry.name, in: directory) == entry.file)
      #expect(try volume.extendedAttributes(of: entry.file).isEmpty)
      let error = #expect(throws: FileError.self) {
        if entry.kind == .regular { _ = try volume.contents(of: entry.file) }
        if entry.kind == .symbolicLink { _ = try volume.symbolicLinkTarget(of: entry.file) }
        if entry.kind == .directory { throw FileError(.encrypted, "") }
      }
      #expect(error?.reason == .encrypted)
    }
    let plain = try #require(try volume.lookup("plain", in: volume.root))
    #expect(try volume.contents(of: plain).byteCount == 5)
  }
}
