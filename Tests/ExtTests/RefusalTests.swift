import BlockIO
import Ext
import Filesystems
import Support
import SystemPackage
import Testing

/// What volumes say against themselves, and what is refused.
@Suite struct RefusalTests {
  /// A small volume after `script` has run on it.
  private func volume(_ options: String, _ script: String) throws -> (ExtVolume, Scratch) {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F \(options) disk\n{\n\(script)\n} >log 2>&1")
    return (try ExtVolume(FileSource(FilePath(scratch.file("disk")))), scratch)
  }

  @Test("Errors that a volume has recorded are said")
  func recordedErrors() throws {
    let marked = try volume("-t ext4", "debugfs -w -R 'ssv state 2' disk").0
    #expect(marked.warnings.contains { $0.contains("e2fsck") })
    let counted = try volume(
      "-t ext4", "debugfs -w -f - disk <<<$'ssv error_count 3\\nssv last_error_func ext4_lookup'"
    ).0
    #expect(counted.warnings.contains { $0.contains("3 errors") && $0.contains("ext4_lookup") })
    let unclean = try volume("-t ext2", "debugfs -w -R 'ssv state 0' disk").0
    #expect(unclean.warnings.contains { $0.contains("not unmounted cleanly") })
    #expect(try volume("-t ext4", "true").0.warnings == [])
    #expect(try volume("-t ext4 -b 4096 -O mmp", "true").0.warnings == [])
    // The number of a machine that has the volume mounted, in the block that dumpe2fs names.
    let mark =
      "block=$(dumpe2fs -h disk | sed -n 's/^MMP block number: *//p'); printf '\\1\\0\\0\\0' | dd of=disk bs=1 seek=$((block * 4096 + 4)) conv=notrunc"
    #expect(try volume("-t ext4 -b 4096 -O mmp", mark).0.warnings.contains { $0.contains("mounted") })
  }

  @Test("A volume that was cut off is read as far as it goes")
  func cutOff() throws {
    let (volume, scratch) = try volume("-t ext4 -b 1024", "truncate -s 40M disk")
    #expect(volume.warnings.contains { $0.contains("cut off") })
    #expect(try !volume.quickCheck().isSound)
    #expect(try volume.lookup("lost+found", in: volume.root) != nil)
    withExtendedLifetime(scratch) {}
  }

  @Test("A quick check finds bad copies, descriptors and roots")
  func quickCheck() throws {
    let copy = try volume("-t ext4 -b 1024", "dd if=/dev/urandom of=disk bs=1024 seek=8193 count=1 conv=notrunc").0
    let findings = try copy.quickCheck().findings
    #expect(findings.count == 1 && findings[0].severity == .notice && findings[0].sentence.contains("group 1 "))
    let group = try volume(
      "-t ext4 -b 1024 -O ^64bit", "printf '\\1' | dd of=disk bs=1 seek=$((2048 + 3 * 32 + 12)) conv=notrunc"
    ).0
    let damage = try group.quickCheck().findings
    #expect(damage.count == 1 && damage[0].severity == .damage && damage[0].sentence.contains("group 3"))
    let older = try volume(
      "-t ext4 -b 1024 -O ^metadata_csum",
      "printf '\\0' | dd of=disk bs=1 seek=$((8193 * 1024 + 32)) conv=notrunc; printf x | dd of=disk bs=1 seek=$((8193 * 1024 + 104)) conv=notrunc"
    ).0
    #expect(try older.quickCheck().findings.contains { $0.severity == .notice })
  }

  @Test(
    "What cannot be read is refused by name",
    arguments: [
      ("ssv feature_incompat 0x12c2", "dirdata"), ("ssv feature_incompat 0x2c3", "compression"),
      ("ssv feature_incompat 0x800002c2", "FEATURE_I31"), ("ssv log_block_size 9", "block size"),
      ("ssv inodes_count 77", "inodes"), ("ssv inode_size 100", "inode size"),
    ])
  func unsupported(_ command: String, _ word: String) throws {
    let scratch = try Scratch()
    try scratch.shell(
      "truncate -s 64M disk; mke2fs -q -F -t ext4 -O ^metadata_csum disk; debugfs -w -R '\(command)' disk 2>/dev/null")
    let error = #expect(throws: ImageError.self) { try ExtVolume(FileSource(FilePath(scratch.file("disk")))) }
    #expect(error?.description.contains(word) == true, "\(error?.description ?? "")")
  }

  @Test("Journals that cannot be replayed here are refused by name")
  func journals() throws {
    func refusal(_ script: String) throws -> String {
      let error = #expect(throws: ImageError.self, "\(script)") { try volume("-t ext4 -b 1024 -J size=8", script) }
      #expect(error?.kind == .unsupported)
      return error?.description ?? ""
    }
    let external = "feature has_journal needs_recovery\nssv journal_inum 0"
    #expect(try refusal("debugfs -w -f - disk <<<$'\(external)'").contains("journal on another device"))
    // Nothing waits in it.
    let clean = try volume("-t ext4 -b 1024", "debugfs -w -f - disk <<<$'feature has_journal\nssv journal_inum 0'").0
    #expect(try clean.lookup("lost+found", in: clean.root) != nil)
    // More blocks than are kept in memory: revoked ones take little room in a journal.
    let many = "truncate -s 1G disk; mke2fs -q -F -t ext4 -b 1024 -J size=8 disk"
    func revoked(_ range: String) -> String { "\(many); debugfs -w -f - disk <<<$'jo\njw -r \(range)\njc'" }
    #expect(try refusal(revoked("200000-800000")).contains("more than 524288 revoked blocks"))
    let fewer = try volume("-t ext4", revoked("200000-700000")).0
    #expect(fewer.warnings.contains { $0.contains("replayed in memory") })
    #expect(throws: ImageError.self) {
      let scratch = try Scratch()
      try scratch.shell("truncate -s 8M disk; mke2fs -q -F -O journal_dev disk")
      _ = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    }
  }

  @Test("What is asked wrongly is a file error")
  func wrongKinds() throws {
    let (volume, scratch) = try volume("-t ext4", "debugfs -w -R 'symlink link target' disk")
    let link = try #require(try volume.lookup("link", in: volume.root))
    #expect(throws: FileError.self) { try volume.contents(of: volume.root) }
    #expect(throws: FileError.self) { try volume.contents(of: link) }
    #expect(throws: FileError.self) { try volume.symbolicLinkTarget(of: volume.root) }
    #expect(throws: FileError.self) { try volume.entries(of: link, from: 0, limit: 1) }
    #expect(throws: FileError.self) { try volume.lookup("x", in: link) }
    #expect(throws: ImageError.self) { try volume.attributes(of: FileID(1 << 40)) }
    #expect(throws: ImageError.self) { try volume.attributes(of: FileID(0)) }
    #expect(throws: ImageError.self) { try volume.attributes(of: FileID(500)) }
    withExtendedLifetime(scratch) {}
  }
}
