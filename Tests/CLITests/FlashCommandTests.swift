import Support
import Testing

/// The flash command on files, pipes and devices.
@Suite(.serialized, .timeLimit(.minutes(3))) struct FlashCommandTests {
  let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    try scratch.shell(
      """
      head -c 2M /dev/urandom > image.raw; truncate -s 5M image.raw; head -c 1000 /dev/urandom >> image.raw
      qemu-img convert -c -O qcow2 image.raw image.qcow2
      """)
  }

  @Test func aLongerOldFileLeavesNoTail() throws {
    try scratch.shell("head -c 9M /dev/urandom > out")
    try qflash("-src image.raw -dst out", in: scratch.path, expecting: 0)
    try scratch.shell("cmp image.raw out; test $(stat -c %b out) -le $(( (2 << 11) + 64 ))")
  }

  @Test func verifyingAFile() throws {
    let ran = try qflash("-src image.raw -dst out --verify", in: scratch.path, expecting: 0)
    #expect(ran.output.contains("verified"))
    let plain = try qflash("-src image.raw -dst out", in: scratch.path, expecting: 0)
    #expect(!plain.output.contains("verified"))
  }

  @Test func aPipe() throws {
    try scratch.shell("'\(Machine.binaries)/qflash' -src image.raw -dst - | cmp - image.raw")
  }

  @Test func aDryRunWritesNothing() throws {
    try qflash("-src image.raw -dst out --dry-run", in: scratch.path, expecting: 0)
    try scratch.shell("test ! -e out")
  }

  @Test func jsonReport() throws {
    let ran = try qflash("-src image.raw -dst out --json", in: scratch.path, expecting: 0)
    try scratch.shell(
      "python3 -c 'import json,sys; r=json.loads(sys.argv[1]); assert r[\"size\"]==5243880 and r[\"bad\"]==[], r' '\(ran.output)'"
    )
    let info = try qflash("info image.qcow2 --json", in: scratch.path, expecting: 0)
    try scratch.shell(
      "python3 -c 'import json,sys; r=json.loads(sys.argv[1]); assert r[\"cluster-size\"]==65536, r' '\(info.output)'")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: [512, 4096])
  func whatIsPastTheImageStays(sectorSize: Int) throws {
    let loop = try LoopDevice(size: 8 << 20, sectorSize: sectorSize)
    defer { withExtendedLifetime(loop) {} }
    let ran = try qflash("-src image.raw -dst \(loop.node)", in: scratch.path, expecting: 0)
    #expect(ran.output.contains("verified"))
    try scratch.shell(
      """
      cmp -n 5243880 image.raw \(loop.node)
      test "$(tail -c +5243881 \(loop.node) | tr -d '\\252' | wc -c)" = 0
      """)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
  func keepLeavesUnallocatedRangesAloneAndSaysSo() throws {
    try scratch.shell(
      "qemu-img create -q -f qcow2 e.qcow2 4M; qemu-io -f qcow2 -c 'write -P 7 1M 64k' e.qcow2 >/dev/null")
    let loop = try LoopDevice(size: 4 << 20)
    defer { withExtendedLifetime(loop) {} }
    let ran = try qflash("-src e.qcow2 -dst \(loop.node) --unallocated keep", in: scratch.path, expecting: 0)
    #expect(ran.text.contains("may differ from the image"))
    try scratch.shell("test $(tr -d '\\252' < \(loop.node) | wc -c) = 65536")
    try qflash("-src e.qcow2 -dst \(loop.node)", in: scratch.path, expecting: 0)
    try scratch.shell("qemu-img convert -O raw e.qcow2 e.raw; cmp e.raw \(loop.node)")
  }

  @Test func interruptStopsCleanly() throws {
    let script = """
      truncate -s 1G big; mkfifo pipe
      (exec < pipe; sleep 2; cat > /dev/null) &
      '\(Machine.binaries)/qflash' -src big -dst - > pipe 2> err & flasher=$!
      sleep 0.7
      kill -TERM $flasher
      wait $flasher && status=0 || status=$?
      cat err; exit $status
      """
    let ran = try scratch.shell(script, expecting: 130)
    #expect(ran.output.contains("stopped: what went to standard output is incomplete"), "\(ran.text)")
  }

  @Test func fifteenTebibytesFitIn32MiB() throws {
    try scratch.shell(
      "qemu-img create -q -f qcow2 huge.qcow2 15T; for at in 0 5T 14T; do qemu-io -f qcow2 -c \"write -P 9 $at 1M\" huge.qcow2 >/dev/null; done"
    )
    let ran = try scratch.shell(
      "/usr/bin/time -f %M '\(Machine.binaries)/qflash' -src huge.qcow2 -dst out.raw --verify; test $(stat -c %b out.raw) -le 12000"
    )
    let kibibytes = ran.error.split(separator: "\n").last.flatMap { Int($0) } ?? .max
    // What is not optimised is itself larger.
    #if DEBUG
      let limit = 48 << 10
    #else
      let limit = 32 << 10
    #endif
    #expect(kibibytes < limit, "\(ran.text)")
    let tail = try scratch.shell("dd if=out.raw bs=1M skip=$((14 << 20)) count=1 status=none | tr -d '\\011' | wc -c")
    #expect(tail.output == "0\n")
  }
}
