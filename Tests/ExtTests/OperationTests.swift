import BlockIO
import Ext
import Filesystems
import Glibc
import Support
import SystemPackage
import Testing

/// Each change alone on each kind of volume, beside the same change of a tree by the host's own commands.
@Suite struct OperationTests: VolumeChanging {
  /// Whether all is tried on all kinds of volume and mounted.
  private static let isWhole = getenv("QFLASH_STRESS_OPERATIONS") != nil

  /// The kinds that differ most; `QFLASH_STRESS_OPERATIONS` takes all.
  private static let cases: [WritingCase] = {
    guard !isWhole else { return RandomWritingTests.cases }
    let some = [
      "-t ext4 -O bigalloc -b 1024 -C 65536", "-t ext4 -O inline_data,^metadata_csum -b 1024",
      "-t ext4 -O quota -b 1024", "-t ext2 -b 1024 -O ^sparse_super,^resize_inode,^filetype",
    ]
    return WritingCase.all.filter { some.contains($0.options) }
  }()

  /// Every how many changes one is tried on a kind of volume, each on another; and every how many the kernel mounts the
  /// volume too.
  private static let (stride, mountStride) = isWhole ? (1, 1) : (4, 10)

  /// All that a tree shows.
  private static let show = """
    show() { (
      cd "$1"
      find . -type d -printf '%P d %m %U:%G\\n' -o -printf '%P %y %s %m %U:%G %n %l\\n' | sort
      find . '(' -type c -o -type b ')' -exec stat -c '%n %t,%T' {} +
      find . -print0 | sort -z | xargs -0 getfattr -h -d -m - -e hex
      find . -type f -print0 | sort -z | xargs -0 sha256sum
      stat -c %Y dir/timed
    ) }
    """

  @Test("Each change alone leaves what the host's commands do, and nothing for e2fsck", arguments: cases)
  func alone(_ test: WritingCase) throws {
    let scratch = try Scratch()
    let volumes = try Scratch(in: "/dev/shm")
    let hasAttributes = !test.options.contains("-r 0")
    try scratch.shell(
      """
      mkdir -m 755 tree; cd tree
      \(WritingOperation.tree)
      \(hasAttributes ? WritingOperation.attributes : "")
      find keep -type f -exec sha256sum {} + > ../sums
      """)
    var filled = test
    filled.filling = "-d \(scratch.file("tree"))"
    try filled.make(in: volumes)
    // mke2fs(8) leaves quotas as if nothing had been filled in.
    try volumes.shell("e2fsck -fy disk > checked 2>&1 || test $? = 1; mv disk before")
    var count = 0
    let first = (Self.cases.firstIndex { $0.options == test.options } ?? 0) % Self.stride
    for (index, operation) in WritingOperation.all.enumerated() {
      guard index % Self.stride == first, hasAttributes || !operation.needsAttributes else { continue }
      let isMounted = test.isMounted && Machine.hasLoopDevices && count % Self.mountStride == 0
      try apply(operation, test, scratch, volumes, isMounted: isMounted)
      count += 1
    }
    #expect(count >= WritingOperation.all.count / Self.stride - 20)
    if Self.isWhole { print("operations alone: \(count) on \(test)") }
  }

  private func apply(
    _ operation: WritingOperation, _ test: WritingCase, _ scratch: Scratch, _ volumes: Scratch, isMounted: Bool
  ) throws {
    let what: Comment = "\(operation.name) on \(test)"
    try scratch.shell(
      """
      \(WritingOperation.function)
      rm -rf after; cp -a --sparse=always tree after; cd after
      \(operation.commands)
      """)
    try volumes.shell("cp --sparse=always before disk")
    do {
      let volume = try self.volume(volumes)
      try volume.transaction { try operation.body(volume) }
      try volume.finish()
    } catch {
      Issue.record("\(what): \(error)")
      return
    }
    let check = try volumes.shell(
      """
      e2fsck -fn disk || exit
      rm -rf out; mkdir out; debugfs -R 'rdump keep out' disk 2>&1 | sed 1d
      cd out; sha256sum -c --quiet \(scratch.file("sums"))
      """, expecting: nil)
    #expect(check.status == 0, "\(what): \(check.text)")
    let read = try ExtVolume(FileSource(FilePath(volumes.file("disk"))))
    #expect(read.warnings == [], what)
    var comparison = TreeComparison(read, .links)
    try comparison.run(scratch.file("after"))
    #expect(comparison.differences == [], what)
    let time = try scratch.shell("stat -c %Y after/dir/timed").output
    #expect("\(try read.attributes(of: PatchPlan.file(read, "dir/timed")).modified.seconds)\n" == time, what)
    guard isMounted else { return }
    let mount = try Mount(volumes)
    try withExtendedLifetime(mount) {
      let shown = try volumes.shell(
        """
        \(Self.show)
        show '\(mount.folder)' > shown; show '\(scratch.file("after"))' > expected; diff expected shown
        """, expecting: nil)
      #expect(shown.status == 0, "\(what): \(shown.text)")
    }
  }
}
