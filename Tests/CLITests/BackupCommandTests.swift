import Support
import Testing

/// The restore command on images that ntfsclone and partimage make here, against what those restore.
@Suite(.serialized, .timeLimit(.minutes(3))) struct BackupCommandTests {
  private static let restore = "'\(Machine.binaries)/restore'"
  let scratch: Scratch

  init() throws { scratch = try Scratch() }

  @Test(arguments: [(4096, (16 << 20) + 512), (65536, 24 << 20), (512, 8 << 20)])
  func ntfsclone(clusterSize: Int, size: Int) throws {
    try scratch.shell(
      """
      truncate -s \(size) volume; mkntfs -q -Q -F -c \(clusterSize) volume > log 2>&1
      for n in 1 2 3; do head -c $((n * 200000)) /dev/urandom > f; ntfscp -q volume f f$n; done
      for kind in '' --metadata; do
        ntfsclone $kind --save-image --overwrite image volume > log 2>&1
        ntfsclone --restore-image --overwrite theirs image > log 2>&1; truncate -s \(size) theirs
        rm -f ours; \(Self.restore) image ours; cmp theirs ours
        test -n "$kind" || { rm -f ours; gzip -c image | \(Self.restore) - ours; cmp theirs ours; }
      done
      ! gzip -c image | \(Self.restore) --check - 2> says; grep -q 'metadata only' says
      """)
  }

  @Test(
    .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"),
    arguments: ["-z0 -V0", "-z1 -V0", "-z2 -V0", "-z0 -V1", "-z1 -V1"])
  func partimage(options: String) throws {
    let source = try LoopDevice(size: 20 << 20)
    let theirs = try LoopDevice(size: 20 << 20)
    let ours = try LoopDevice(size: 20 << 20)
    try scratch.shell(
      """
      mke2fs -q -F -O none,sparse_super,filetype -I 128 \(source.node) 2> log
      for n in 1 2 3; do head -c $((n * 400000)) /dev/urandom > f; debugfs -w -R "write f f$n" \(source.node) 2> log; done
      script -qec 'partimage \(options) -b -d -c -M -o save \(source.node) image' /dev/null > log < /dev/null
      first=image; test -e image || first=image.000
      script -qec "partimage -b -c -M -o restore \(theirs.node) $PWD/$first" /dev/null > log < /dev/null || true
      \(Self.restore) --yes $first \(ours.node); cmp \(theirs.node) \(ours.node)
      e2fsck -fn \(ours.node); \(Self.restore) --check $first | grep -c sound
      """)
  }
}
