import Support
import Testing

/// The restore command on sound images.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RestoreCommandTests {
  let scratch: Scratch
  let backup: Backup
  var folder: String { scratch.path }

  init() throws {
    scratch = try Scratch()
    backup = try Backup(in: scratch)
  }

  /// Runs python3 with `text`, a JSON text, as `r`.
  private func checkJSON(_ text: String, _ condition: String) throws {
    try run(
      ["python3", "-c", "import json,sys; r=json.loads(sys.argv[1]); assert \(condition), r", text], expecting: 0)
  }

  /// A file cut anywhere behind its header tells as much as a whole one.
  @Test(arguments: [0, 50, 110]) func infoReadsNoData(missing: Int) throws {
    let whole = try restore("--info img --json", in: folder, expecting: 0)
    try scratch.shell("head -c \(backup.dataStart - missing) img > cut; mv img whole; mv cut img")
    let cut = try restore("--info img --json", in: folder, expecting: 0)
    #expect(cut.output == whole.output)
    try checkJSON(
      cut.output,
      """
      r["device-size"] == \(backup.size) and r["block-size"] == 1024 and r["total-blocks"] == 8192 and \
      r["blocks-per-checksum"] == 16 and r["checksum"] == "CRC32" and r["filesystem"] == "EXTFS" and \
      r["header-intact"] and r["image-version"] == "0002" and r["checksum-restarts"]
      """)
    let table = try restore("--info img", in: folder, expecting: 0)
    #expect(table.output.contains("blocks per checksum:    16\n"), "\(table.text)")
  }

  @Test func infoOfCompressedAndPipedImages() throws {
    let packed = try restore("--info gz --json", in: folder, expecting: 0)
    try checkJSON(packed.output, "r['compression'] == 'gzip' and r['device-size'] == \(backup.size)")
    let piped = try restore("--info - --json < <(cat img)", in: folder, expecting: 0)
    try checkJSON(piped.output, "r['device-size'] == \(backup.size)")
  }

  @Test(arguments: ["img", "gz", "- < <(cat img)", "- < gz"]) func checks(_ image: String) throws {
    try scratch.shell("sha256sum $(find . -type f ! -name sums) > sums")
    let ran = try restore("--check \(image)", in: folder, expecting: 0)
    #expect(ran.output.contains("sound") && ran.output.contains("\(backup.size) bytes"), "\(ran.text)")
    try scratch.shell("sha256sum --quiet -c sums; test $(find . -type f | wc -l) = $(( $(wc -l < sums) + 1 ))")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
  func unusedSpace() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    try restore("img \(loop.node) --yes", in: folder, expecting: 0)
    try scratch.shell("cmp filled \(loop.node)")
    try restore("img \(loop.node) --yes --unused discard", in: folder, expecting: 0)
    try scratch.shell("blockdev --flushbufs \(loop.node); e2fsck -fn \(loop.node)")
    let used = try Scratch()
    try used.shell("head -c 8M /dev/zero | tr '\\0' '\\252' > \(loop.node)")
    try restore("img \(loop.node) --yes --unused zero", in: folder, expecting: 0)
    try scratch.shell("cmp zeroed \(loop.node)")
  }

  @Test func aFileHasHoles() throws {
    try scratch.shell("head -c 9M /dev/urandom > out")
    try restore("img out", in: folder, expecting: 0)
    try scratch.shell("cmp zeroed out; test $(stat -c %b out) -lt $(stat -c %b filled); e2fsck -fn out")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: [512, 4096])
  func offsetOnADevice(sectorSize: Int) throws {
    let loop = try LoopDevice(size: 12 << 20, sectorSize: sectorSize)
    defer { withExtendedLifetime(loop) {} }
    let odd = try restore("img \(loop.node) --yes --offset 1000", in: folder, expecting: 64)
    #expect(odd.error.contains("no multiple of the target's sectors of \(sectorSize) bytes"), "\(odd.text)")
    let late = try restore("img \(loop.node) --yes --offset 8388608", in: folder, expecting: 73)
    #expect(late.error.contains("too small"), "\(late.text)")
    for end in ["18446744073709551104", "9223372036854775808"] {
      try restore("img \(loop.node) --yes --offset \(end)", in: folder, expecting: 73)
    }
    try scratch.shell("test $(tr -d '\\252' < \(loop.node) | wc -c) = 0")
    try restore("img \(loop.node) --yes --offset 2097152", in: folder, expecting: 0)
    try scratch.shell(
      """
      (head -c 2M /dev/zero | tr '\\0' '\\252'; cat filled; head -c 2M /dev/zero | tr '\\0' '\\252') | cmp - \(loop.node)
      """)
  }

  /// What lies around the place in an existing file stays, and what the filesystem does not use does too.
  @Test(arguments: ["img", "gz", "- < <(cat img)"]) func offsetInAFile(_ image: String) throws {
    try scratch.shell("head -c 12000000 /dev/zero | tr '\\0' '\\252' > out")
    try restore(
      "\(image.replacing("-", by: "- out --offset 1000512", elseAppending: " out --offset 1000512"))",
      in: folder, expecting: 0)
    try scratch.shell(
      """
      pad() { head -c $1 /dev/zero | tr '\\0' '\\252'; }
      (pad 1000512; cat filled; pad $((12000000 - 1000512 - \(backup.size)))) | cmp - out
      """)
  }

  @Test func offsetPastTheEndOfAFile() throws {
    try scratch.shell("head -c 100 /dev/urandom > out; cp out before")
    try restore("img out --offset 4096", in: folder, expecting: 0)
    try scratch.shell("(cat before; head -c 3996 /dev/zero; cat zeroed) | cmp - out")
  }

  @Test(arguments: ["img", "gz"]) func standardOutput(_ image: String) throws {
    try scratch.shell("'\(Machine.binaries)/restore' \(image) - 2> err | cmp - zeroed")
  }

  /// Any piece stands for the set, however it was cut, and with more pieces than files may be open.
  @Test(arguments: ["img", "gz"], ["-b 4000", "-b 4000 -a 3", "-b 9000 -d -a 3", "-n 97 -d", "-n 60"])
  func pieces(_ image: String, _ way: String) throws {
    let names = try scratch.shell("split \(way) \(image) part.; ls part.*").output.split(separator: "\n")
    for name in [names[0], names[names.count / 2], names[names.count - 1]] {
      let ran = try scratch.shell("ulimit -n 100; '\(Machine.binaries)/restore' \(name) out; cmp zeroed out; rm out")
      #expect(ran.error.contains("\(names.count) pieces"), "\(ran.text)")
    }
    try restore("--check \(names[1])", in: folder, expecting: 0)
    try scratch.shell("rm \(names[3])")
    let gap = try restore("\(names[5]) out", in: folder, expecting: 65)
    #expect(gap.error.contains("\(names[3])") && gap.error.contains("missing"), "\(gap.text)")
    try scratch.shell("rm \(names[0])")
    let first = try restore("\(names[1]) out", in: folder, expecting: 65)
    #expect(first.error.contains("\(names[0])") && first.error.contains("first piece"), "\(first.text)")
    try scratch.shell("test ! -e out")
  }

  /// Files that are numbered like pieces and are none, and compressions that others have to undo.
  @Test func filesThatAreNoPieces() throws {
    try scratch.shell("mkdir n; cp img n/vm.10; cp gz n/vm.11; cp zeroed n/vm.12; qemu-img create -qf qcow2 n/vm.13 1M")
    for number in [10, 11] { try restore("n/vm.\(number) out; cmp zeroed out", in: folder, expecting: 0) }
    for number in [12, 13] { try qflash("-src n/vm.\(number) -dst out", in: folder, expecting: 0) }
    try scratch.shell("head -c 100K /dev/urandom > n/vm.14")
    let later = try qflash("-src n/vm.14 -dst out", in: folder, expecting: 65)
    #expect(later.error.contains("vm.00") && later.error.contains("rename"), "\(later.text)")
    try scratch.shell("lzop -q -c img > img.lzo; lrzip -q -o img.lrz img")
    for (name, command) in [("img.lzo", "lzop -dc"), ("img.lrz", "lrzcat")] {
      let ran = try restore("\(name) other", in: folder, expecting: 65)
      #expect(ran.error.contains("\(command) \(name) | restore - "), "\(ran.text)")
      // The command does it.
      try scratch.shell("\(command) \(name) | '\(Machine.binaries)/restore' - other; cmp zeroed other; rm other")
    }
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ["img", "gz"])
  func standardInput(_ image: String) throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    try restore("- \(loop.node) --yes < <(cat \(image))", in: folder, expecting: 0)
    try scratch.shell("cmp filled \(loop.node)")
    try restore("- - < <(cat \(image)) | cmp - zeroed", in: folder, expecting: 0)
  }

  /// Every image that a script in another language wrote.
  @Test(arguments: ["file", "pipe"]) func testImages(_ way: String) throws {
    let images = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/TestImages/partclone"
    let ran = try scratch.shell(
      """
      python3 - '\(Machine.binaries)/restore' '\(images)' \(way) <<'PYTHON'
      import glob, json, subprocess, sys, zlib
      restore, folder, way = sys.argv[1:]
      count = 0
      for case in sorted(glob.glob(folder + "/*.json")):
          facts = json.load(open(case))
          image = case[:-5] + ".img.zst"
          words = [restore, "-" if way == "pipe" else image, "-"]
          zstd = subprocess.Popen(["zstd", "-dqc", image], stdout=subprocess.PIPE) if way == "pipe" else None
          disk = subprocess.run(words, stdin=zstd and zstd.stdout, capture_output=True)
          assert disk.returncode == 0, (case, disk.stderr)
          assert len(disk.stdout) == facts["size"] and zlib.crc32(disk.stdout) == facts["crc32"], case
          if "unfixed-crc32" in facts:
              assert b"boot sector" in disk.stderr, case
              plain = subprocess.run([restore, image, "-", "--no-boot-sector-fix"], capture_output=True)
              assert zlib.crc32(plain.stdout) == facts["unfixed-crc32"], case
              assert b"boot sector" not in plain.stderr, case
          count += 1
      print(count)
      PYTHON
      """)
    #expect((Int(ran.output.dropLast()) ?? 0) >= 40, "\(ran.text)")
  }
}

extension String {
  /// Puts `words` after the first `-` of an image that is standard input, or at the end of a name.
  fileprivate func replacing(_ dash: String, by words: String, elseAppending more: String) -> String {
    hasPrefix(dash + " ") ? words + dropFirst(dash.count) : self + more
  }
}
