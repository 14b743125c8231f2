import Support
import Testing

/// The restore command on damaged and impossible images: what it says, and that nothing wrong is written.
@Suite(.serialized, .timeLimit(.minutes(4))) struct RestoreDamageTests {
  let scratch: Scratch
  let backup: Backup
  var folder: String { scratch.path }

  init() throws {
    scratch = try Scratch()
    backup = try Backup(in: scratch)
    // Runs python3 on the image `i`, a bytearray, with the header's checksum made right again by seal().
    try scratch.shell(
      """
      cat > change.py <<'PYTHON'
      import struct, sys, zlib
      i = bytearray(open("img", "rb").read())
      def put(at, format, *values): struct.pack_into("<" + format, i, at, *values)
      def seal(): put(106, "I", zlib.crc32(i[:106]) ^ 0xFFFFFFFF)
      start = \(backup.dataStart)
      exec(sys.argv[1])
      open("changed", "wb").write(i)
      PYTHON
      cat > sectors.py <<'PYTHON'
      # Every sector of a target is as it was, 0xAA, or as it has to be; none in the given range was written.
      import sys
      disk, filled = open(sys.argv[1], "rb").read(), open("filled", "rb").read()
      first, last = int(sys.argv[2]), int(sys.argv[3])
      untouched = b"\\xaa" * 512
      for at in range(0, len(disk), 512):
          sector = disk[at:at + 512]
          if sector != untouched and (first <= at < last or sector != filled[at:at + 512]):
              sys.exit(f"sector at {at} is wrong")
      PYTHON
      """)
  }

  /// How an image's name becomes the words of a command.
  static let ways = ["FILE", "- < <(cat FILE)", "- < <(gzip -1c FILE)"]

  private func words(_ way: String, _ name: String, _ rest: String) -> String {
    let words = way.split(separator: "FILE", omittingEmptySubsequences: false).joined(separator: "\(name)")
    return words.hasPrefix("-") ? "- \(rest) \(words.dropFirst())" : "\(words) \(rest)"
  }

  private func change(_ python: String) throws {
    try run(["bash", "-c", "cd \"$0\" && python3 change.py \"$1\"", folder, python], expecting: 0)
  }

  /// Exactly one sentence of complaint, with a status of bad input.
  private func expectComplaint(_ ran: Finished, _ says: String, status: Int32 = 65, _ name: String) {
    #expect(ran.status == status && ran.output.isEmpty, "\(name): exit \(ran.status): \(ran.text)")
    #expect(ran.complaints.count == 1, "\(name): \(ran.error)")
    #expect(ran.error.contains(says), "\(name): \(ran.error)")
  }

  @Test(
    .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ways,
    ["--workers 1", "--workers 4"])
  func stopsBeforeTheDamage(_ way: String, _ workers: String) throws {
    let loop = try LoopDevice(size: 9 << 20)
    defer { withExtendedLifetime(loop) {} }
    let ran = try restore(words(way, "bad", "\(loop.node) --yes \(workers)"), in: folder)
    expectComplaint(ran, "target offset 0x\(String(backup.badStart, radix: 16))", way)
    #expect(ran.error.contains("image offset 0x") && ran.error.contains("is incomplete"), "\(ran.error)")
    try scratch.shell("python3 sectors.py \(loop.node) \(backup.badStart) \(backup.badEnd)")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ways)
  func rescueGoesOn(_ way: String) throws {
    let loop = try LoopDevice(size: 9 << 20)
    defer { withExtendedLifetime(loop) {} }
    let ran = try restore(words(way, "bad", "\(loop.node) --yes --rescue"), in: folder, expecting: 65)
    let start = backup.badOffset - 5 * 1024 - 7
    let said = "target bytes \(backup.badStart) to \(backup.badEnd - 1), image bytes \(start) to \(start + 16383):"
    #expect(ran.error.contains(said), "\(ran.error)")
    try scratch.shell(
      """
      cmp -l -n \(backup.size) filled \(loop.node) > differences || true
      test $(wc -l < differences) = 1
      test $(awk '{ print $1 }' differences) = \(backup.badStart + 5 * 1024 + 8)
      test $(tail -c +\(backup.size + 1) \(loop.node) | tr -d '\\252' | wc -c) = 0
      """)
  }

  @Test(arguments: ways) func rescueOfACutImage(_ way: String) throws {
    try scratch.shell("head -c \(backup.badOffset) img > cut; head -c 9M /dev/zero | tr '\\0' '\\252' > out")
    let ran = try restore(words(way, "cut", "out --offset 4096 --rescue"), in: folder, expecting: 65)
    #expect(ran.error.contains("image bytes") && ran.error.contains("to \(backup.imageSize - 1):"), "\(ran.error)")
    try scratch.shell(
      "dd if=out of=part bs=4096 skip=1 count=\(backup.size / 4096) status=none; cmp -n \(backup.badStart) part filled; python3 sectors.py part 0 0"
    )
    try restore(words(way, "img", "out --offset 4096 --rescue"), in: folder, expecting: 0)
  }

  @Test(arguments: ways) func ignoringChecksums(_ way: String) throws {
    try restore(words(way, "bad", "out --ignore-checksums"), in: folder, expecting: 0)
    let differing = try scratch.shell("(cmp -l zeroed out || true) | wc -l")
    #expect(differing.output == "1\n")
    try restore(words(way, "bad", "--check --ignore-checksums"), in: folder, expecting: 0)
    try restore(words(way, "bad", "--check"), in: folder, expecting: 65)
  }

  static let impossible: [(name: String, python: String, says: String)] = [
    ("header bit", "i[60] ^= 1", "checksum"), ("magic's version", "i[33] = 0x37; seal()", "0007"),
    ("block size 0", "put(84, 'I', 0); seal()", "block size of 0"),
    ("block size 2^31", "put(84, 'I', 1 << 31); seal()", "2147483648"),
    ("used > total", "put(76, 'Q', 99999); seal()", "99999 blocks"),
    ("total × size overflows", "put(60, 'Q', 1 << 60); seal()", "2^43"),
    ("total > device", "put(60, 'Q', 1 << 30); seal()", "device"),
    ("blocks per checksum 0", "put(100, 'I', 0); seal()", "0 blocks to a checksum"),
    ("bitmap larger than the file", "put(52, 'Q', 1 << 53); put(60, 'Q', 1 << 42); seal()", "bitmap"),
    ("device of 2^63", "put(52, 'Q', 1 << 63); seal()", "device size of 9223372036854775808"),
    ("checksum mode", "put(96, 'H', 0x99); seal()", "checksum mode 0x99"),
    ("bitmap bit", "i[500] ^= 8", "bitmap"), ("bitmap's checksum", "i[start - 1] ^= 8", "bitmap"),
    ("nothing but a header", "del i[110:]", "bitmap"), ("half a header", "del i[60:]", "header"),
    ("half a bitmap", "del i[600:]", "bitmap"), ("no bitmap checksum", "del i[start - 3:]", "bitmap"),
  ]

  /// A header or bitmap that cannot be right leaves the target alone.
  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ways.prefix(2))
  func impossibleImages(_ way: String) throws {
    let loop = try LoopDevice(size: 9 << 20)
    defer { withExtendedLifetime(loop) {} }
    for (name, python, says) in Self.impossible {
      try change(python)
      let ran = try restore(words(way, "changed", "\(loop.node) --yes"), in: folder)
      // From a pipe such an image's size is all that shows, and that is too large for the target.
      let isTooLarge = name == "bitmap larger than the file" && way.hasPrefix("-")
      expectComplaint(ran, isTooLarge ? "too small" : says, status: isTooLarge ? 73 : 65, name)
      let touched = try scratch.shell("tr -d '\\252' < \(loop.node) | wc -c")
      #expect(touched.output == "0\n", "\(name)")
      expectComplaint(try restore(words(way, "changed", "--check"), in: folder), says, name)
    }
  }

  /// Cut before, in and behind a strip and its checksum, and changed in each; nothing wrong is written.
  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ways.prefix(2))
  func damagedStrips(_ way: String) throws {
    let loop = try LoopDevice(size: 9 << 20)
    defer { withExtendedLifetime(loop) {} }
    let strip = "(start + 3 * (16 * 1024 + 4))"
    let last = "len(i)"
    for python in [
      "del i[start:]", "del i[start + 1:]", "del i[start + 1024:]", "del i[\(strip) - 4:]", "del i[\(strip) - 1:]",
      "del i[\(strip):]", "del i[\(strip) + 1:]", "del i[\(last) - 1:]", "del i[\(last) - 4:]", "del i[\(last) - 5:]",
      "i[start] ^= 1", "i[\(strip) - 4] ^= 1", "i[\(strip) - 1] ^= 128", "i[\(strip)] ^= 1", "i[\(last) - 1] ^= 1",
      "i[\(last) - 5] ^= 1", "i += b'x'", "i += bytes(4096)", "i += bytes(i)", "del i[start:start + 1024]",
      "i[start:start + 1024], i[start + 1024:start + 2048] = i[start + 1024:start + 2048], bytes(1024)",
    ] {
      try change(python)
      let ran = try restore(words(way, "changed", "\(loop.node) --yes"), in: folder)
      expectComplaint(ran, "image offset 0x", python)
      #expect(ran.error.contains("target offset 0x"), "\(python): \(ran.error)")
      try scratch.shell("python3 sectors.py \(loop.node) 0 0")
    }
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ways)
  func targetTooSmall(_ way: String) throws {
    let loop = try LoopDevice(size: (8 << 20) - 512)
    defer { withExtendedLifetime(loop) {} }
    let ran = try restore(words(way, "img", "\(loop.node) --yes"), in: folder)
    expectComplaint(ran, "too small", status: 73, way)
    try scratch.shell("test $(tr -d '\\252' < \(loop.node) | wc -c) = 0")
  }

  @Test func unreadableImages() throws {
    try scratch.shell("touch empty; head -c 9M /dev/zero > out; sha256sum out > sum")
    #expect(try restore("missing out", in: folder).status == 66)
    expectComplaint(try restore("empty out", in: folder), "empty", "empty")
    #expect(try restore("img", in: folder).status == 64)
    #expect(try restore("img out --offset nonsense", in: folder).status == 64)
    #expect(try restore("img out --unused all", in: folder).status == 64)
    #expect(try restore("--check --info img", in: folder).status == 64)
    #expect(try restore("img img", in: folder).status == 73)
    try scratch.shell("sha256sum --quiet -c sum")
  }
}
