import BlockIO
import Ext
import Filesystems
import Support
import Testing

/// What keeps a volume from being changed, by name, with the volume left as it was.
@Suite struct WritingRefusalTests {
  /// A volume, what is done to it, and a word of the refusal.
  struct Case: Sendable, CustomStringConvertible {
    let options: String
    let script: String
    let word: String
    var description: String { word }
  }

  static let cases: [Case] = [
    Case(options: "-t ext4", script: "debugfs -w -R 'ssv state 3' disk", word: "recorded errors"),
    Case(options: "-t ext4", script: "debugfs -w -R 'ssv error_count 3' disk", word: "recorded errors"),
    Case(options: "-t ext2", script: "debugfs -w -R 'ssv state 0' disk", word: "not unmounted cleanly"),
    Case(options: "-t ext4", script: "truncate -s 40M disk", word: "cut off"),
    Case(options: "-t ext4", script: "debugfs -w -R 'feature read-only' disk", word: "read-only"),
    Case(options: "-t ext4", script: "debugfs -w -R 'feature shared_blocks' disk", word: "shared_blocks"),
    Case(options: "-t ext4", script: "debugfs -w -R 'feature FEATURE_R20' disk", word: "FEATURE_R20"),
    Case(options: "-t ext4 -O quota,ea_inode", script: "true", word: "quota"),
    Case(
      options: "-t ext4 -b 4096 -O mmp",
      script:
        "block=$(dumpe2fs -h disk | sed -n 's/^MMP block number: *//p'); printf '\\1\\0\\0\\0' | dd of=disk bs=1 seek=$((block * 4096 + 4)) conv=notrunc",
      word: "mmp"),
  ]

  @Test("Volumes that cannot be changed say why, and stay as they were", arguments: cases)
  func refused(_ test: Case) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell(
      "truncate -s 64M disk; mke2fs -q -F \(test.options) disk\n{\n\(test.script)\n} >log 2>&1; cp disk before")
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    func refuse(_ body: () throws -> Void) {
      do {
        try body()
        Issue.record("it was not refused")
      } catch let error as ImageError {
        #expect(error.description.contains(test.word), "\(error)")
        #expect(error.kind == .unsupported)
      } catch { Issue.record("\(error)") }
    }
    refuse { try volume.requireWritable() }
    refuse { try volume.transaction { try volume.remove("lost+found", from: volume.root) } }
    try volume.finish()
    try scratch.shell("cmp disk before")
  }

  @Test("A volume that was opened for reading is not changed")
  func reading() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 16M disk; mke2fs -q -F -t ext4 disk; cp disk before")
    let volume = try ExtVolume(FileStore(scratch.file("disk")))
    #expect(throws: ImageError.self) { try volume.requireWritable() }
    #expect(throws: ImageError.self) { try volume.remove("lost+found", from: volume.root) }
    try scratch.shell("cmp disk before")
  }

  @Test("Wishes that cannot be fulfilled change nothing")
  func wishes() throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 16M disk; mke2fs -q -F -t ext4 disk")
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    var kind = FileAttributes(
      kind: .regular, permissions: 0o644, byteCount: 0, allocatedByteCount: 0, modified: Timestamp(seconds: 1))
    let file = try volume.transaction { try volume.create("file", in: volume.root, attributes: kind) }
    kind.kind = .directory
    let folder = try volume.transaction { try volume.create("folder", in: volume.root, attributes: kind) }
    _ = try volume.transaction { try volume.create("inner", in: folder, attributes: kind) }
    try volume.finish()
    try scratch.shell("cp disk before")
    func refused(_ reason: FileError.Reason?, _ body: () throws -> Void, _ place: SourceLocation = #_sourceLocation) {
      do {
        try volume.transaction(body)
        Issue.record("it was not refused", sourceLocation: place)
      } catch let error as FileError {
        if let reason { #expect(error.reason == reason, sourceLocation: place) }
      } catch { Issue.record("\(error)", sourceLocation: place) }
    }
    kind.kind = .regular
    refused(.alreadyExists) { _ = try volume.create("file", in: volume.root, attributes: kind) }
    refused(nil) { _ = try volume.create("a/b", in: volume.root, attributes: kind) }
    refused(.nameTooLong) {
      _ = try volume.create(FileName(String(repeating: "n", count: 256)), in: volume.root, attributes: kind)
    }
    refused(.notADirectory) { _ = try volume.create("x", in: file, attributes: kind) }
    refused(.notFound) { try volume.remove("nothing", from: volume.root) }
    refused(.directoryNotEmpty) { try volume.remove("folder", from: volume.root) }
    refused(.isADirectory) { try volume.replaceContents(of: folder, with: BytesContents([])) }
    refused(.isADirectory) { try volume.link(folder, as: "other", in: volume.root) }
    refused(.isADirectory) { _ = try volume.rename("file", in: volume.root, to: "folder", in: volume.root) }
    refused(.notADirectory) { _ = try volume.rename("folder", in: volume.root, to: "file", in: volume.root) }
    refused(nil) { _ = try volume.rename("folder", in: volume.root, to: "x", in: folder) }
    refused(.fileTooLarge) { try volume.truncate(file, to: 1 << 50) }
    refused(nil) { try volume.setExtendedAttribute("nonsense.x", to: [1], of: file) }
    refused(.noSpace) { try volume.setExtendedAttribute("user.x", to: [UInt8](repeating: 1, count: 5000), of: file) }
    refused(nil) { try volume.setExtendedAttribute("system.posix_acl_access", to: [1, 2, 3], of: file) }
    refused(nil) { try volume.setExtendedAttribute("system.data", to: [1], of: file) }
    refused(nil) { _ = try volume.createSymbolicLink("l", to: "", in: volume.root, attributes: kind) }
    #expect(throws: ImageError.self) { try volume.remove("file", from: volume.root) }
    try volume.finish()
    try scratch.shell("cmp disk before")
  }

  @Test(
    "Files that wait to be removed are, before anything else", .enabled(if: Machine.hasLoopDevices),
    arguments: [
      "-t ext4", "-t ext4 -O orphan_file", "-t ext4 -b 1024 -O ^metadata_csum",
    ])
  func orphans(_ options: String) throws {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F \(options) disk")
    let mount = try Mount(scratch, options: "rw")
    let program = """
      import os, sys, subprocess
      os.chdir(sys.argv[1])
      open("kept", "w").write("kept"); held = []
      for i in range(5):
        f = open("gone%d" % i, "wb"); f.write(b"g" * 300000 * (i + 1)); f.flush(); held.append(f)
        os.unlink("gone%d" % i)
      os.sync()
      subprocess.check_call(["cp", "../disk", "../cut"])
      """
    try withExtendedLifetime(mount) { _ = try run(["python3", "-c", program, mount.folder], expecting: 0) }
    try scratch.shell("umount disk.mounted; mv cut disk")
    let volume = try ExtVolume(writing: FileStore(scratch.file("disk")))
    #expect(volume.warnings.contains { $0.contains("journal") })
    let kept = try #require(try volume.lookup("kept", in: volume.root))
    try volume.transaction { try volume.replaceContents(of: kept, with: BytesContents([65, 66])) }
    try volume.finish()
    let check = try scratch.shell("e2fsck -fn disk", expecting: nil)
    #expect(check.status == 0, "\(check.text)")
    #expect(try scratch.shell("debugfs -R 'cat kept' disk 2>/dev/null").output == "AB")
    let used = try scratch.shell("dumpe2fs -h disk 2>/dev/null | sed -n 's/^Free inodes: *//p;s/^Inode count: *//p'")
      .output
    let counts = used.split(separator: "\n").compactMap { Int($0) }
    #expect(counts.count == 2 && counts[0] - counts[1] <= 13)
  }
}
