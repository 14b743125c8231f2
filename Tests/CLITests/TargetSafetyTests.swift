import Support
import Testing

/// Targets that must be refused, by name, unchanged.
@Suite(.serialized, .timeLimit(.minutes(3))) struct TargetSafetyTests {
  let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    try scratch.shell("head -c 3M /dev/urandom > image.raw; qemu-img convert -O qcow2 image.raw image.qcow2")
  }

  /// Expects exit status 73, a sentence with `words`, and `target` unchanged.
  func refuses(_ target: String, source: String = "image.raw", _ words: String..., unchanged: String? = nil) throws {
    let before = try unchanged.map(digest)
    let ran = try qflash("-src \(source) -dst \(target) --yes", in: scratch.path)
    #expect(ran.status == 73, "\(ran.text)")
    for word in words { #expect(ran.error.contains(word), "\(word) is not in: \(ran.error)") }
    let after = try unchanged.map(digest)
    #expect(before == after)
  }

  @Test func theImageItself() throws {
    try scratch.shell("ln image.raw hard; ln -s image.raw soft")
    for name in ["image.raw", "hard", "soft", "./image.raw"] {
      try refuses(name, "image", unchanged: scratch.path + "/image.raw")
    }
  }

  @Test func aFileOfTheChain() throws {
    try scratch.shell("qemu-img create -q -f qcow2 -b image.raw -F raw top.qcow2; ln image.raw hard")
    try refuses("hard", source: "top.qcow2", "image", unchanged: scratch.path + "/image.raw")
  }

  @Test func nothingIsCreatedBelowDev() throws {
    try refuses("/dev/qflash-no-such-disk", "does not exist", "/dev")
    try refuses("/proc/qflash-no-such", "does not exist")
    #expect(try shell("test ! -e /dev/qflash-no-such-disk", expecting: nil).status == 0)
  }

  @Test func notADisk() throws {
    try scratch.shell("mkfifo fifo; mkdir folder; ln -s nowhere dangling")
    try refuses("/dev/null", "character device")
    try refuses("fifo", "FIFO")
    try refuses("folder", "folder")
    try refuses("dangling", "link")
    try refuses("no/such/folder/x", "no folder")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func tooSmall() throws {
    let loop = try LoopDevice(size: 2 << 20)
    defer { withExtendedLifetime(loop) {} }
    try refuses(loop.node, "3145728", "2097152", "too small", unchanged: loop.node)
    try refuses(loop.node, source: "image.qcow2", "too small", unchanged: loop.node)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func mounted() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    try scratch.shell("mke2fs -q \(loop.node); mkdir mnt; mount \(loop.node) mnt")
    defer { _ = try? scratch.shell("umount mnt") }
    try refuses(loop.node, "mounted at", "mnt", unchanged: loop.node)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func aMountedPartition() throws {
    let loop = try LoopDevice(size: 16 << 20)
    defer { withExtendedLifetime(loop) {} }
    try scratch.shell(
      """
      echo 'start=2048,type=83' | sfdisk -q --no-reread \(loop.node) >/dev/null 2>&1 || true
      partx -a \(loop.node); mke2fs -q \(loop.node)p1; mkdir mnt; mount \(loop.node)p1 mnt
      """)
    defer { _ = try? scratch.shell("umount mnt; partx -d \(loop.node)") }
    try refuses(loop.node, "partition", "mounted at", unchanged: loop.node)
    try refuses(loop.node + "p1", "mounted at", unchanged: loop.node)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func swappedOn() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    try scratch.shell("mkswap -q \(loop.node)")
    // Containers and locked-down kernels refuse swapon: nothing to test there then.
    guard try scratch.shell("swapon \(loop.node)", expecting: nil).status == 0 else { return }
    defer { _ = try? scratch.shell("swapoff \(loop.node)") }
    try refuses(loop.node, "swap")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func aLoopDeviceOnTop() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    let upper = try scratch.shell("losetup -f --show \(loop.node)").output.split(separator: "\n")[0]
    defer { _ = try? scratch.shell("losetup -d \(upper)") }
    try refuses(loop.node, "loop device", String(upper), unchanged: loop.node)
    try refuses(loop.file, "loop device", loop.node, unchanged: loop.file)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func theDiskThatHoldsTheImage() throws {
    let loop = try LoopDevice(size: 16 << 20)
    defer { withExtendedLifetime(loop) {} }
    try scratch.shell("mke2fs -q \(loop.node); mkdir mnt; mount \(loop.node) mnt; cp image.raw mnt/")
    defer { _ = try? scratch.shell("umount mnt") }
    try refuses(loop.node, source: "mnt/image.raw", "holds the image")
    let file = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(file) {} }
    try refuses(file.node, source: file.file, "shows the image", unchanged: file.node)
    try refuses(file.node, source: file.node, "image", unchanged: file.node)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func theRunningSystem() throws {
    let root = try shell("findmnt -n -o SOURCE /", expecting: nil).output.split(separator: "\n").first ?? ""
    guard root.hasPrefix("/dev/"), try shell("test -b \(root)", expecting: nil).status == 0 else { return }
    try refuses(String(root), "running system")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func lockedDisk() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    let script = """
      flock -x --no-fork \(loop.node) sleep 30 >/dev/null 2>&1 & locker=$!
      sleep 0.3
      '\(Machine.binaries)/qflash' -src image.raw -dst \(loop.node) && status=0 || status=$?
      kill $locker; exit $status
      """
    let ran = try scratch.shell(script, expecting: nil)
    #expect(ran.status == 73 && ran.error.contains("lock"), "\(ran.text)")
  }

  @Test func aFileUnderTwoWriters() throws {
    let script = """
      : > out; flock -x --no-fork out sleep 30 >/dev/null 2>&1 & locker=$!
      sleep 0.3
      '\(Machine.binaries)/qflash' -src image.raw -dst out && status=0 || status=$?
      kill $locker; exit $status
      """
    let ran = try scratch.shell(script, expecting: nil)
    #expect(ran.status == 73 && ran.error.contains("lock"), "\(ran.text)")
  }
}
