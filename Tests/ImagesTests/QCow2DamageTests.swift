import BlockIO
import Bytes
import Images
import Support
import Testing

/// Headers and tables with wrong bytes: each is refused in one sentence that says what and where.
@Suite struct QCow2DamageTests {
  /// A version 3 image of 4 MiB with clusters of 64 KiB: data at 0, zlib at 1 MiB, one snapshot.
  static let sample = """
    qemu-img create -q -f qcow2 a.qcow2 4M
    qemu-io -c 'write -P 1 0 128k' -c 'write -c -P 2 1M 64k' a.qcow2 >/dev/null
    qemu-img snapshot -c first a.qcow2
    qemu-io -c 'write -P 1 0 128k' a.qcow2 >/dev/null

    """

  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let offset: UInt64
    let bytes: [UInt8]
    let kind: ImageError.Kind
    let words: String
    var testDescription: String { name }

    init<T: FixedWidthInteger>(
      _ name: String, _ offset: UInt64, _ value: T, _ kind: ImageError.Kind, _ words: String
    ) {
      (self.name, self.offset, self.kind, self.words) = (name, offset, kind, words)
      let size = MemoryLayout<T>.size
      bytes = (0..<size).map { UInt8(truncatingIfNeeded: value >> T((size - 1 - $0) * 8)) }
    }

    init<T: FixedWidthInteger>(_ name: String, _ offset: UInt64, _ value: T, _ words: String) {
      self.init(name, offset, value, .damaged, words)
    }
  }

  static let headers: [Case] = [
    Case("version", 4, UInt32(4), .unsupported, "version 4"),
    Case("cluster bits 40", 20, UInt32(40), "power of 40"),
    Case("cluster bits 8", 20, UInt32(8), "power of 8"),
    Case("cluster bits 22", 20, UInt32(22), "power of 22"),
    Case("disk size", 24, UInt64.max, "disk's size"),
    Case("disk larger than its table", 24, UInt64(1) << 40, "needs 2048"),
    Case("AES", 32, UInt32(1), .unsupported, "AES"),
    Case("LUKS", 32, UInt32(2), .unsupported, "LUKS"),
    Case("encryption 9", 32, UInt32(9), .unsupported, "encryption method 9"),
    Case("L1 of 2^31 entries", 36, UInt32(1) << 31, "2147483648 entries"),
    Case("L1 of no entries", 36, UInt32(0), "has 0 entries"),
    Case("L1 not aligned", 40, UInt64(0x30100), "does not start at a cluster"),
    Case("L1 past the end", 40, UInt64(1) << 40, "after the end of the file"),
    Case("L1 far past the end", 40, UInt64.max - 0xffff, "after the end of the file"),
    Case("L1 in the header", 40, UInt64(0), "overlaps the header"),
    Case("L1 in the refcount table", 40, UInt64(0x10000), "overlaps the refcount table"),
    Case("refcount table not aligned", 48, UInt64(0x10001), "does not start at a cluster"),
    Case("refcount table past the end", 48, UInt64(1) << 50, "after the end of the file"),
    Case("no refcount table", 56, UInt32(0), "empty"),
    Case("large refcount table", 56, UInt32(129), "at most 8 MiB"),
    Case("huge refcount table", 56, UInt32.max, "at most 8 MiB"),
    Case("many snapshots", 60, UInt32(65537), "at most 65536"),
    Case("snapshots past the end of their table", 60, UInt32(65536), "snapshot"),
    Case("snapshot table past the end", 64, UInt64(1) << 40, "after the end of the file"),
    Case("snapshot table in the L1 table", 64, UInt64(0x30000), "overlaps the L1 table"),
    Case("snapshot table in the header", 64, UInt64(0), "snapshot"),
    Case("unknown feature", 72, UInt64(1) << 40, .unsupported, "bit 40"),
    Case("corrupt", 72, UInt64(2), .refused, "marked corrupt"),
    Case("compression type without its field", 72, UInt64(8), "compression type"),
    Case("data file without a name", 72, UInt64(4), .unsupported, "does not name"),
    Case("refcount width", 96, UInt32(7), "power of 7"),
    Case("refcount width at its most", 96, UInt32.max, "power of 4294967295"),
    Case("short header", 100, UInt32(72), "length is 72"),
    Case("odd header", 100, UInt32(109), "length is 109"),
    Case("long header", 100, UInt32(65544), "length is 65544"),
    Case("longest header", 100, UInt32.max, "length is 4294967295"),
    Case("compression without its feature", 104, UInt8(1), "compression type 1"),
    Case("unknown compression", 104, UInt8(7), .unsupported, "compression type 7"),
    Case("backing name outside the header", 8, UInt64(1) << 30, "backing file's name"),
    Case("extension too long", 116, UInt32.max, "does not fit"),
  ]

  @Test(arguments: headers) func header(_ test: Case) throws {
    let scratch = try Scratch()
    try scratch.shell(Self.sample)
    try scratch.patch("a.qcow2", at: test.offset, test.bytes)
    let error = try scratch.imageError("a.qcow2")
    #expect(error.kind == test.kind, "\(error)")
    #expect(error.detail.contains(test.words), "\(error)")
    #expect(error.file == scratch.file("a.qcow2"))
    if test.kind == .damaged { #expect(error.offset != nil, "\(error)") }
  }

  /// An entry of a table and what it is changed to.
  struct Entry: Sendable, CustomTestStringConvertible {
    let name: String
    var isL1 = false
    /// The cluster whose L2 entry is changed.
    var cluster: UInt64 = 0
    let value: @Sendable (_ old: UInt64, _ fileSize: UInt64) -> UInt64
    let words: String
    var testDescription: String { name }
  }

  static let copied: UInt64 = 1 << 63
  static let compressed: UInt64 = 1 << 62
  static let entries: [Entry] = [
    Entry(name: "L2 not aligned", isL1: true, value: { old, _ in old + 512 }, words: "is not aligned"),
    Entry(name: "L2 past the end", isL1: true, value: { _, _ in copied | 1 << 40 }, words: "after the end of the file"),
    Entry(name: "L2 far past the end", isL1: true, value: { _, _ in 0x00ff_ffff_ffff_0000 }, words: "after the end"),
    Entry(
      name: "L2 at the end", isL1: true, value: { _, size in copied | (size + 65535) & ~65535 },
      words: "after the end of the file"),
    Entry(name: "L2 in the L1", isL1: true, value: { _, _ in copied | 0x30000 }, words: "lies in the L1 table"),
    Entry(
      name: "L2 in the refcount table", isL1: true, value: { _, _ in copied | 0x10000 },
      words: "lies in the refcount table"),
    Entry(name: "data not aligned", value: { old, _ in old + 512 }, words: "is not aligned"),
    Entry(name: "data past the end", value: { _, _ in copied | 1 << 45 }, words: "after the end of the file"),
    Entry(name: "data in the L1", value: { _, _ in copied | 0x30000 }, words: "lies in the L1 table"),
    Entry(
      name: "data in the refcount table", cluster: 40, value: { _, _ in copied | 0x10000 },
      words: "lies in the refcount table"),
    Entry(
      name: "compressed past the end", cluster: 16, value: { _, size in compressed | (size + 512) },
      words: "after the end of the file"),
    Entry(
      name: "compressed in the header", cluster: 16, value: { _, _ in compressed | 100 }, words: "lies in the header"),
    Entry(
      name: "compressed, not deflate", cluster: 16, value: { old, _ in old + 3 }, words: "a compressed cluster"),
    Entry(name: "a subcluster's zero in version 2", cluster: 63, value: { old, _ in old | 1 }, words: "version 2"),
  ]

  @Test(arguments: entries) func entry(_ test: Entry) throws {
    let scratch = try Scratch()
    try scratch.shell(Self.sample)
    let size = UInt64(try scratch.bytes("a.qcow2").count)
    let l1 = try scratch.number("a.qcow2", at: 40, as: UInt64.self)
    let l2 = try scratch.number("a.qcow2", at: l1, as: UInt64.self) & 0x00ff_ffff_ffff_fe00
    let place = test.isL1 ? l1 : l2 + test.cluster * 8
    let old = try scratch.number("a.qcow2", at: place, as: UInt64.self)
    if test.words == "version 2" {
      // A version 2 header has no features and its extensions start at 72.
      try scratch.patch("a.qcow2", at: 4, UInt32(2))
      try scratch.patch("a.qcow2", at: 72, [UInt8](repeating: 0, count: 40))
    }
    try scratch.patch("a.qcow2", at: place, test.value(old, size))
    let error = try scratch.imageError("a.qcow2")
    #expect(error.kind == .damaged, "\(error)")
    #expect(error.detail.contains(test.words), "\(error)")
    #expect(error.offset != nil, "\(error)")
  }

  /// Compressed clusters cut short are an error, never zeroes; what ends exactly at the end of the file is read.
  @Test(arguments: ["zlib", "zstd"]) func cutShort(_ type: String) throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      python3 -c "
      import random; r = random.Random(1)
      open('seed.raw', 'wb').write(bytes(r.choice(b'abcdefgh') for _ in range(65536)))"
      qemu-img convert -c -O qcow2 -o compression_type=\(type) seed.raw a.qcow2
      """)
    let seed = try scratch.bytes("seed.raw")
    let l1 = try scratch.number("a.qcow2", at: 40, as: UInt64.self)
    let l2 = try scratch.number("a.qcow2", at: l1, as: UInt64.self) & 0x00ff_ffff_ffff_fe00
    let entry = try scratch.number("a.qcow2", at: l2, as: UInt64.self)
    try #require(entry >> 62 == 1)
    let start = entry & (1 << 54 - 1)
    var isWhole = false
    // From the last sector's end backwards: first the padding goes, then the data.
    let end = UInt64(try scratch.bytes("a.qcow2").count)
    for length in stride(from: end, to: start, by: -97) {
      try scratch.shell("truncate -s \(length) a.qcow2")
      do {
        let read = try contents(of: scratch.open("a.qcow2").disk)
        #expect(read == seed)
        isWhole = true
      } catch let error as ImageError {
        #expect(error.kind == .damaged)
        #expect(error.offset == start || error.offset == l2 || length < l2 + 65536)
        if length < end - 1024 { break }
      }
    }
    #expect(isWhole)
  }

  @Test func extendedEntries() throws {
    for (bitmap, words) in [(UInt64(1) << 32 | 1, "both allocated and zero"), (2, "without a cluster")] {
      let scratch = try Scratch()
      try scratch.shell(
        """
        qemu-img create -q -f qcow2 -o extended_l2=on a.qcow2 4M
        qemu-io -c 'write -P 1 0 4k' a.qcow2 >/dev/null
        """)
      let l1 = try scratch.number("a.qcow2", at: 40, as: UInt64.self)
      let l2 = try scratch.number("a.qcow2", at: l1, as: UInt64.self) & 0x00ff_ffff_ffff_fe00
      try scratch.patch("a.qcow2", at: bitmap == 2 ? l2 + 24 : l2 + 8, bitmap)
      let error = try scratch.imageError("a.qcow2")
      #expect(error.kind == .damaged)
      #expect(error.detail.contains(words), "\(error)")
    }
  }

  @Test func dataFileDamage() throws {
    for (value, words) in [
      (UInt64(1) << 63 | 0x30000, "not where its place"), (1 << 62 | 0x10000, "external data file"),
    ] {
      let scratch = try Scratch()
      try scratch.shell(
        """
        qemu-img create -q -f qcow2 -o data_file=d.raw a.qcow2 4M
        qemu-io -c 'write -P 1 0 1M' a.qcow2 >/dev/null
        """)
      let l1 = try scratch.number("a.qcow2", at: 40, as: UInt64.self)
      let l2 = try scratch.number("a.qcow2", at: l1, as: UInt64.self) & 0x00ff_ffff_ffff_fe00
      try scratch.patch("a.qcow2", at: l2 + 8, value)
      let error = try scratch.imageError("a.qcow2")
      #expect(error.kind == .damaged)
      #expect(error.detail.contains(words), "\(error)")
    }
  }

  /// Names of unknown features come from the image's own table.
  @Test func featureName() throws {
    let scratch = try Scratch()
    try scratch.shell("qemu-img create -q -f qcow2 a.qcow2 1M")
    // The feature name table is the first extension; its first entry becomes incompatible bit 33.
    try #require(try scratch.number("a.qcow2", at: 112, as: UInt32.self) == 0x6803_f857)
    try scratch.patch("a.qcow2", at: 120, [0, 33] + Array("time travel\0".utf8))
    try scratch.patch("a.qcow2", at: 72, UInt64(1) << 33)
    let error = try scratch.imageError("a.qcow2")
    #expect(error.kind == .unsupported)
    #expect(error.detail.contains("time travel (bit 33)"), "\(error)")
  }

  @Test func forcedAndWarned() throws {
    let scratch = try Scratch()
    try scratch.shell(Self.sample)
    try scratch.patch("a.qcow2", at: 72, UInt64(1))
    #expect(try scratch.open("a.qcow2").warnings.count == 1)
    try scratch.patch("a.qcow2", at: 72, UInt64(2))
    var options = ImageOptions()
    options.forcesCorrupt = true
    #expect(try scratch.open("a.qcow2", options).warnings.count == 1)
  }

  @Test func unknownSnapshot() throws {
    let scratch = try Scratch()
    try scratch.shell(Self.sample)
    var options = ImageOptions()
    options.snapshot = "yesterday"
    let error = try scratch.imageError("a.qcow2", options)
    #expect(error.kind == .refused)
    #expect(error.detail.contains("1 (first)"), "\(error)")
  }

  /// Every prefix of an image is an error or gives the same disk with its tail missing; none ends the program.
  @Test func truncated() throws {
    let scratch = try Scratch()
    try scratch.shell(Self.sample)
    var lengths = Array(stride(from: 0, to: 512, by: 7)) + [511, 512, 513]
    lengths += Array(stride(from: 1024, to: 600_000, by: 32_749))
    for length in lengths.reversed() {
      try scratch.shell("truncate -s \(length) a.qcow2")
      guard length < 393_216 else { continue }
      let error = try scratch.failure("a.qcow2")
      #expect((error as? ImageError)?.kind == .damaged, "\(length): \(error)")
    }
  }

  /// Flipped bytes anywhere in the metadata give an error or a disk, never a trap or endless growth.
  @Test func noise() throws {
    let scratch = try Scratch()
    try scratch.shell(Self.sample + "cp a.qcow2 good.qcow2")
    var random = SystemRandomNumberGenerator()
    for _ in 0..<150 {
      try scratch.shell("cp good.qcow2 a.qcow2")
      for _ in 0..<Int.random(in: 1...4) {
        let area = [0, 0x30000, 0x40000].randomElement(using: &random) ?? 0
        let offset = UInt64(area + Int.random(in: 0..<(area == 0 ? 128 : 64)))
        try scratch.patch("a.qcow2", at: offset, UInt8.random(in: 0...255))
      }
      guard let image = try? scratch.open("a.qcow2"), let disk = try? image.disk else { continue }
      var offset: UInt64 = 0
      for _ in 0..<1000 where offset < disk.byteCount {
        guard let extent = try? disk.extent(at: offset, limit: disk.byteCount) else { break }
        offset = extent.end
      }
      var bytes = [UInt8](repeating: 0, count: Int(min(4 << 20, disk.byteCount)))
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      try? disk.read(at: 0, into: &raw)
    }
  }
}
