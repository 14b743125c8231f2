import Support
import Testing

/// Targets of single partitions: devices that get them, and those that must be refused unchanged.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct PartitionTargetTests {
  let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    try scratch.shell(
      """
      head -c 16M /dev/urandom > disk.raw
      printf 'label: gpt\\n1 : size=4M\\n2 : size=3M\\n' | sfdisk -q --wipe always disk.raw
      dd if=disk.raw of=one bs=1M skip=1 count=4 status=none; dd if=disk.raw of=two bs=1M skip=5 count=3 status=none
      """)
  }

  /// Expects `status`, a sentence with `says`, and nothing of `unchanged` changed.
  private func refuses(_ words: String, _ status: Int32, _ says: String, unchanged: [String]) throws {
    let before = try unchanged.map(digest)
    let ran = try qflash("-src disk.raw -yes \(words)", in: scratch.path)
    #expect(ran.status == status && ran.error.contains(says), "\(words): \(ran.status) \(ran.text)")
    let after = try unchanged.map(digest)
    #expect(before == after, "\(words) changed its target")
  }

  @Test(arguments: [512, 4096]) func writesToDevices(sectorSize: Int) throws {
    let loops = try [4, 5].map { try LoopDevice(size: $0 << 20, sectorSize: sectorSize) }
    defer { withExtendedLifetime(loops) {} }
    let ran = try qflash(
      "-src disk.raw -write-parts 1=\(loops[0].node),2=\(loops[1].node)", in: scratch.path, expecting: 0)
    #expect(ran.output.contains("verified"))
    try scratch.shell(
      """
      cmp one \(loops[0].node); cmp -n \(3 << 20) two \(loops[1].node)
      test "$(tail -c +\((3 << 20) + 1) \(loops[1].node) | tr -d '\\252' | wc -c)" = 0
      """)
  }

  @Test func writesToPartitionsOfOneDisk() throws {
    let loop = try partitioned()
    defer { _ = try? shell("partx -d \(loop.node)") }
    let table = try shell("head -c 1M \(loop.node) | sha256sum").output
    try qflash("-src disk.raw -write-parts 1=\(loop.node)p1,2=\(loop.node)p2", in: scratch.path, expecting: 0)
    try scratch.shell("cmp one \(loop.node)p1; cmp -n \(3 << 20) two \(loop.node)p2")
    #expect(try shell("head -c 1M \(loop.node) | sha256sum").output == table)
    #expect(try shell("sgdisk -v \(loop.node)").output.contains("No problems found"))
  }

  @Test func oneTargetTwice() throws {
    let loop = try partitioned()
    defer { _ = try? shell("partx -d \(loop.node)") }
    let node = loop.node
    try scratch.shell(
      "head -c 1000 /dev/urandom > out; ln out hard; ln -s out soft; ln -s \(node) dev; ln -s \(node)p1 part")
    for (first, second) in [
      (node, node), (node, scratch.path + "/dev"), (node + "p1", node), (node, node + "p1"),
      (node + "p1", scratch.path + "/part"), ("out", "hard"), ("out", "soft"), ("out", "./out"), ("new", "./new"),
    ] {
      let exists = ["out", "new"].contains(first) ? "out" : node
      let path = exists == "out" ? scratch.path + "/out" : node
      try refuses("-write-parts 1=\(first),2=\(second)", 73, "share bytes", unchanged: [path])
      try refuses("-write-parts 1=\(first) -dst \(second)", 73, "share bytes", unchanged: [path])
    }
    try scratch.shell("test ! -e new")
  }

  @Test func twoLoopDevicesOnOneFile() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    let second = try shell("losetup -f --show \(loop.file)").output.split(separator: "\n")[0]
    defer { _ = try? shell("losetup -d \(second)") }
    try refuses("-write-parts 1=\(loop.node),2=\(second)", 73, "share bytes", unchanged: [loop.node])
  }

  @Test func requestsThatContradict() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    let small = try LoopDevice(size: 2 << 20)
    defer { withExtendedLifetime(small) {} }
    try scratch.shell("head -c 1000 /dev/urandom > out")
    let unchanged = [loop.node, small.node, scratch.path + "/out"]
    for (words, status, says) in [
      ("9=\(loop.node)", 64, "has no partition 9; it has 1, 2"),
      ("1=out,9=\(loop.node)", 64, "has no partition 9"),
      ("1=out,1=\(loop.node)", 64, "named twice"),
      ("1=out,x=\(loop.node)", 64, "takes numbers"),
      ("1=out,2=", 64, "takes numbers"),
      ("0=out", 64, "takes numbers"),
      ("1=out,2=-", 64, "standard output"),
      ("1=out,2=\(small.node)", 73, "too small"),
      ("1=\(loop.node),2=\(small.node)", 73, "too small"),
      ("1=out,2=disk.raw", 73, "same file as the image"),
      ("1=out -dst \(loop.node)", 73, "too small"),
    ] as [(String, Int32, String)] {
      try refuses("-write-parts \(words)", status, says, unchanged: unchanged)
    }
  }

  /// A target that only opening refuses must not cost another one its contents.
  @Test func aLockedTargetLeavesTheOthersAlone() throws {
    let script = """
      head -c 5000 /dev/urandom > first; : > second; sha256sum first > sum
      flock -x --no-fork second sleep 30 >/dev/null 2>&1 & locker=$!
      sleep 0.3
      '\(Machine.binaries)/qflash' -src disk.raw -write-parts 1=first,2=second && status=0 || status=$?
      kill $locker; sha256sum --quiet -c sum; exit $status
      """
    let ran = try scratch.shell(script, expecting: nil)
    #expect(ran.status == 73 && ran.error.contains("lock"), "\(ran.text)")
  }

  @Test func theQuestionNamesWhatIsLost() throws {
    let loop = try partitioned()
    defer { _ = try? shell("partx -d \(loop.node)") }
    try scratch.shell(
      "mkfs.vfat -n GOODBYE \(loop.node)p1 >/dev/null; mke2fs -q -L farewell \(loop.node)p2; blockdev --flushbufs \(loop.node)"
    )
    let before = try digest(loop.node)
    let ask = """
      python3 - '\(Machine.binaries)/qflash' -src disk.raw -dst \(loop.node) <<'EOF'
      import os, pty, sys
      pid, fd = pty.fork()
      if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
      said = b""
      while b"Type yes" not in said: said += os.read(fd, 4096)
      os.write(fd, b"no\\n")
      try:
          while True:
              part = os.read(fd, 4096)
              if not part: break
              said += part
      except OSError: pass
      print(said.decode())
      sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
      EOF
      """
    let ran = try scratch.shell(ask, expecting: 130)
    for word in ["GPT with 2 partitions", "GOODBYE", "vfat", "farewell", "ext2", "nothing was written"] {
      #expect(ran.output.contains(word), "\(word) is not in: \(ran.text)")
    }
    #expect(try digest(loop.node) == before)
  }

  /// A loop device with a GPT and nodes for its two partitions.
  private func partitioned() throws -> LoopDevice {
    let loop = try LoopDevice(size: 32 << 20)
    defer { withExtendedLifetime(loop) {} }
    try shell(
      """
      printf 'label: gpt\\n1 : size=4M\\n2 : size=6M\\n' | sfdisk -q --no-reread --no-tell-kernel --wipe always \(loop.node)
      partx -a \(loop.node)
      """)
    return loop
  }
}
