import BlockIO
import Filesystems
import Support
import SystemPackage
import Testing

@testable import Ext

/// A volume that loses its kernel, and how.
struct UncleanCase: Sendable, CustomStringConvertible {
  let options: String
  let mountOptions: String
  var description: String { options + " mounted " + mountOptions }

  init(_ options: String, _ mountOptions: String = "rw") {
    self.options = options
    self.mountOptions = mountOptions
  }

  static let all: [UncleanCase] = [
    UncleanCase("-t ext4"), UncleanCase("-t ext3"), UncleanCase("-t ext4 -b 1024 -O ^64bit"),
    UncleanCase("-t ext4", "rw,data=journal"), UncleanCase("-t ext3 -b 1024", "rw,data=journal"),
    UncleanCase("-t ext4 -O ^metadata_csum", "rw,journal_checksum"),
    UncleanCase("-t ext4 -O ^metadata_csum,^64bit", "rw,data=writeback,journal_async_commit"),
    UncleanCase("-t ext4", "rw,data=writeback,journal_async_commit"), UncleanCase("-t ext4 -J size=4"),
    UncleanCase("-t ext4 -O ^metadata_csum -J size=4 -b 1024", "rw,data=journal"),
    UncleanCase("-t ext4 -O fast_commit"), UncleanCase("-t ext4 -O ^extent,^64bit,^metadata_csum"),
    UncleanCase("-t ext4 -O inline_data,orphan_file"), UncleanCase("-t ext4 -O bigalloc"),
  ]

  /// Fills `disk`, pulls the plug while much waits in the journal, and leaves what recovery makes of it as `recovered`.
  func make(in scratch: Scratch) throws {
    try scratch.shell("truncate -s 300M disk; mke2fs -q -F \(options) disk")
    let mount = try Mount(scratch, options: mountOptions)
    try withExtendedLifetime(mount) {
      try AwkwardTree.fill(mount.folder, count: 700, options: "small")
      try scratch.shell(
        """
        cd disk.mounted
        sync -f .
        rm -r small names; rm sizes/4097 pieces; mv times moved; mkdir new
        # Blocks that were a directory's become a file's: without revokes their old copies would come back.
        for i in $(seq 300); do echo $i > new/$i; done
        printf '\\300\\073\\071\\230 starts like a journal block' | dd of=escaped bs=4096 conv=sync status=none
        for i in 1 2 3; do rm -rf again; mkdir again; touch again/$(printf 'x%.0s' $(seq 200))-{1..200}; sync -f .; done
        rm -r again
        head -c 3000000 /dev/urandom > reused
        setfattr -n user.late -v value new/7
        chmod 600 sizes/1; truncate -s 100 sizes/70000
        sync -f .
        xfs_io -x -c 'shutdown -f' .
        """)
    }
  }
}

@Suite struct JournalTests {
  @Test(
    "Unclean volumes read as the kernel recovers them", .enabled(if: Machine.hasLoopDevices), arguments: UncleanCase.all
  )
  func unclean(_ test: UncleanCase) throws {
    let scratch = try Scratch()
    try test.make(in: scratch)
    try scratch.shell("cp --sparse=always disk recovered")
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    let isReplayed = volume.warnings.contains { $0.contains("replayed in memory") }
    #expect(isReplayed, "\(volume.warnings)")
    let mount = try Mount(scratch, "recovered", options: "rw,noatime")
    var comparison = TreeComparison(volume)
    try withExtendedLifetime(mount) { try comparison.run(mount.folder) }
    #expect(comparison.differences == [])
    #expect(comparison.fileCount > 300)
    let report = try volume.quickCheck()
    #expect(report.isSound, "\(report.findings)")
  }

  @Test(
    "Journals of debugfs are replayed as e2fsck replays them",
    arguments: ["-t ext4", "-t ext4 -O ^metadata_csum", "-t ext3 -b 1024", "-t ext4 -O ^64bit -b 1024"],
    ["jo", "jo -c -v 1", "jo -c -v 2", "jo -c -v 3"])
  func written(_ options: String, _ open: String) throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 40M disk; mke2fs -q -F \(options) disk
      for i in $(seq 60); do printf '\\300\\073\\071\\230 block %d' $i | dd bs=4096 conv=sync status=none; done > data
      # Written, written again, taken back, taken back and written once more.
      debugfs -w disk -f - <<END >log 2>&1
      \(open)
      jw -b 5000,5001,5002,5003,5004,5005,5006,5007 data
      jw -r 5002,5003
      jw -b 5001,5003 data
      jw -b 6000-6020,7000 data
      jw -r 6005-6007,5000
      jw -b 5000 data
      jc
      END
      cp disk recovered
      e2fsck -fy -E journal_only recovered >>log 2>&1 || test $? -le 2
      """)
    // debugfs writes a wrong sum of the old kind behind revokes; then the log is to be refused.
    guard try scratch.shell("grep -c 'transaction .* was corrupt' log || true").output == "0\n" else {
      #expect(throws: ImageError.self) { try ExtVolume(FileSource(FilePath(scratch.file("disk")))) }
      return
    }
    let volume = try ExtVolume(FileSource(FilePath(scratch.file("disk"))))
    let isReplayed = volume.warnings.contains { $0.contains("replayed in memory") }
    #expect(isReplayed, "\(volume.warnings)")
    let recovered = try FileSource(FilePath(scratch.file("recovered")))
    let ours = try bytes(volume.blocks.source, block: 4900..<7100, volume)
    let theirs = try bytes(recovered, block: 4900..<7100, volume)
    let isSame = ours == theirs
    #expect(isSame)
    let before = try bytes(FileSource(FilePath(scratch.file("disk"))), block: 4900..<7100, volume)
    let isChanged = ours != before
    #expect(isChanged)
  }

  private func bytes(_ source: any BlockSource, block: Range<UInt64>, _ volume: ExtVolume) throws -> [UInt8] {
    let size = UInt64(volume.blocks.blockSize)
    var bytes = [UInt8](repeating: 0, count: Int(UInt64(block.count) * size))
    try bytes.withUnsafeMutableBytes { raw in
      var span = MutableRawSpan(_unsafeBytes: raw)
      try source.read(at: block.lowerBound * size, into: &span)
    }
    return bytes
  }

  @Test("Fast commits are refused, and only they", .enabled(if: Machine.hasLoopDevices))
  func fastCommits() throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 300M disk; mke2fs -q -F -t ext4 -O fast_commit disk")
    let mount = try Mount(scratch, options: "rw")
    try withExtendedLifetime(mount) {
      _ = try scratch.shell(
        """
        cd disk.mounted; mkdir d; echo 1 > d/1; sync -f .
        for i in 2 3 4; do xfs_io -f -c 'pwrite 0 5000' -c fsync d/$i >/dev/null; done
        xfs_io -x -c 'shutdown' .
        """)
    }
    let error = #expect(throws: ImageError.self) { try ExtVolume(FileSource(FilePath(scratch.file("disk")))) }
    #expect(error?.description.contains("fast commits") == true)
    #expect(error?.kind == .unsupported)
  }
}
