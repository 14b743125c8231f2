import BlockIO
import Images
import Support
import Testing
import Threads

/// Images made by qemu-img and qemu-io, read and compared with what qemu-img reads.
@Suite struct QCow2CompareTests {
  /// The start of a script: a disk with text, noise, zeroes and a ragged end as `seed.raw`; the same every time.
  static let seed = """
    python3 - <<'END'
    import random
    r = random.Random(7)
    few = bytes(b'abcdef'[i % 6] for i in range(256))
    parts = [r.randbytes(300000), bytes(700000), b'qflash ' * 60000, bytes(65536 * 5), r.randbytes(65536 * 3),
             b'x' * 1000000, bytes(200000), r.randbytes(800000).translate(few), bytes(300000)]
    data = b''.join(parts)
    open('seed.raw', 'wb').write(data[:len(data) // 512 * 512])
    END

    """

  /// Writes, zeroes and discards of many sizes, to be put over any image of 3 MiB at least.
  static func changes(_ name: String, _ salt: Int) -> String {
    """
    qemu-io -c 'write -P \(salt) \(salt * 4096) 200k' -c 'write -z 1M 128k' -c 'write -P 77 1100k 4k' \
      -c 'write -z -u 1500k 200k' -c 'discard 2M 256k' -c 'write -P 9 2900k 1k' -c 'write -z 2200k 3k' \
      -c 'write -P 5 2500k 64k' -f qcow2 \(name) >/dev/null

    """
  }

  static let plain: [(options: String, convert: String)] = [
    ("compat=0.10", ""), ("compat=0.10", "-c"), ("compat=1.1", ""), ("compat=1.1", "-c"),
    ("compression_type=zstd", "-c"), ("cluster_size=512", ""), ("cluster_size=512", "-c"),
    ("cluster_size=512,compression_type=zstd", "-c"), ("cluster_size=4k", "-c"), ("cluster_size=2M", ""),
    ("cluster_size=2M", "-c"), ("cluster_size=2M,compression_type=zstd", "-c"), ("extended_l2=on", ""),
    ("extended_l2=on,cluster_size=16k", "-c"), ("extended_l2=on,cluster_size=2M", ""), ("refcount_bits=1", ""),
    ("refcount_bits=64", "-c"), ("lazy_refcounts=on", ""), ("preallocation=metadata", ""),
    ("preallocation=falloc", ""),
  ]

  @Test(arguments: plain) func oneFile(_ form: (options: String, convert: String)) throws {
    let scratch = try Scratch()
    try scratch.shell(
      Self.seed + "qemu-img convert -O qcow2 \(form.convert) -o \(form.options) seed.raw a.qcow2")
    try compare(scratch, "a.qcow2")
    try scratch.shell(Self.changes("a.qcow2", 3))
    try compare(scratch, "a.qcow2")
  }

  @Test(arguments: ["data_file=d.raw", "data_file=d.raw,data_file_raw=on", "data_file=d.raw,extended_l2=on"])
  func dataFile(_ options: String) throws {
    let scratch = try Scratch()
    try scratch.shell(
      Self.seed + """
        qemu-img create -q -f qcow2 -o \(options) a.qcow2 $(stat -c %s seed.raw)
        qemu-img convert -n -O qcow2 seed.raw a.qcow2

        """ + Self.changes("a.qcow2", 3))
    try compare(scratch, "a.qcow2")
    #expect(try scratch.open("a.qcow2").files.count == 2)
  }

  static let chains: [[String]] = [
    ["raw", "qcow2 cluster_size=64k"],
    ["raw", "qcow2 cluster_size=512", "qcow2 cluster_size=2M"],
    ["qcow2 cluster_size=4k", "qcow2 extended_l2=on", "qcow2 cluster_size=2M,extended_l2=on"],
    ["qcow2-c cluster_size=2M", "qcow2 cluster_size=512", "qcow2 cluster_size=64k", "qcow2 extended_l2=on"],
    ["qcow2-c compression_type=zstd", "qcow2 compat=0.10", "qcow2 cluster_size=1M"],
  ]

  @Test(arguments: chains, ["", "2M", "9M"]) func chain(_ layers: [String], _ size: String) throws {
    let scratch = try Scratch()
    var script = Self.seed
    var below = ("", "raw")
    for (depth, layer) in layers.enumerated() {
      let words = layer.split(separator: " ").map(String.init)
      let name = "l\(depth).img"
      let format = words[0] == "raw" ? "raw" : "qcow2"
      if depth == 0 {
        let options = words.count > 1 ? "-o \(words[1])" : ""
        script += "qemu-img convert -O \(format) \(words[0].hasSuffix("-c") ? "-c" : "") \(options) seed.raw \(name)\n"
      } else {
        let isShort = size == "2M" && depth == 1 && layers.count > 2
        script += "qemu-img create -q -f qcow2 -o \(words[1]) -b \(below.0) -F \(below.1) \(name) "
        script += (isShort || depth == layers.count - 1 ? size : "") + "\n"
        if !isShort && size != "2M" { script += Self.changes(name, depth * 5) }
      }
      below = (name, format)
    }
    try scratch.shell(script)
    try compare(scratch, below.0)
    let image = try scratch.open(below.0)
    #expect(image.files.count == layers.count)
    #expect(image.warnings == [])
  }

  @Test(arguments: ["1", "first", "2", "second"]) func snapshot(_ wanted: String) throws {
    let scratch = try Scratch()
    try scratch.shell(
      Self.seed + """
        qemu-img convert -O qcow2 seed.raw a.qcow2
        qemu-img snapshot -c first a.qcow2
        \(Self.changes("a.qcow2", 4))
        qemu-img snapshot -c second a.qcow2
        \(Self.changes("a.qcow2", 9))
        """)
    var options = ImageOptions()
    options.snapshot = wanted
    try compare(scratch, "a.qcow2", options, snapshot: "-l \(wanted)")
    try compare(scratch, "a.qcow2")
  }

  @Test func raggedSize() throws {
    let scratch = try Scratch()
    try scratch.shell(Self.seed + "qemu-img convert -c -O qcow2 seed.raw a.qcow2")
    let size = try scratch.number("a.qcow2", at: 24, as: UInt64.self)
    try scratch.patch("a.qcow2", at: 24, size - 300_211)
    try compare(scratch, "a.qcow2")
    let seed = try scratch.bytes("seed.raw").dropLast(300_211)
    let read = try contents(of: scratch.open("a.qcow2").disk)
    #expect(read.elementsEqual(seed))
  }

  /// The last host cluster may be shorter than a cluster: what is missing is zero.
  @Test func shortLastCluster() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      qemu-img create -q -f qcow2 a.qcow2 1M
      qemu-io -c 'write -P 1 0 64k' -c 'write -P 2 64k 64k' a.qcow2 >/dev/null
      truncate -s -40000 a.qcow2
      """)
    try compare(scratch, "a.qcow2")
    let tail = try contents(of: scratch.open("a.qcow2").disk)[(131_072 - 40000)..<131_072]
    #expect(tail.allSatisfy { $0 == 0 })
  }

  /// Sixty-four files are read, sixty-five refused.
  @Test func longChain() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      qemu-img create -q -f qcow2 0 3M; qemu-io -c 'write -P 1 0 64k' 0 >/dev/null
      for i in $(seq 64); do qemu-img create -q -f qcow2 -b $((i - 1)) -F qcow2 $i
        qemu-io -c "write -P $i $((i * 40))k 5k" $i >/dev/null; done
      """)
    try compare(scratch, "63")
    let error = try scratch.imageError("64")
    #expect(error.kind == .refused)
    #expect(error.detail.contains("longer than 64"))
  }

  @Test func kinds() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 1M base.raw
      qemu-img create -q -f qcow2 -b base.raw -F raw a.qcow2 4M
      qemu-io -c 'write -P 1 2M 64k' -c 'write -z 3M 64k' a.qcow2 >/dev/null
      qemu-img create -q -f qcow2 b.qcow2 4M
      qemu-io -c 'write -P 1 2M 64k' -c 'write -z 3M 64k' b.qcow2 >/dev/null
      """)
    let kilo: UInt64 = 1024
    // Below, holes of the raw file and what lies past its end; alone, what nothing allocates.
    let over = try map(of: scratch.open("a.qcow2").disk)
    #expect(
      over == [
        Extent(.zero, offset: 0, length: 2048 * kilo), Extent(.data, offset: 2048 * kilo, length: 64 * kilo),
        Extent(.zero, offset: 2112 * kilo, length: 1984 * kilo),
      ])
    let alone = try map(of: scratch.open("b.qcow2").disk)
    #expect(alone.map(\.kind) == [.unallocated, .data, .unallocated, .zero, .unallocated])
    #expect(alone[3] == Extent(.zero, offset: 3072 * kilo, length: 64 * kilo))
  }

  /// The map of a large empty disk takes a few steps; reading anywhere gives zeroes.
  @Test func largeAndEmpty() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      qemu-img create -q -f qcow2 a.qcow2 15T
      qemu-io -c 'write -P 1 9T 64k' a.qcow2 >/dev/null
      qemu-img create -q -f qcow2 -b a.qcow2 -F qcow2 b.qcow2
      """)
    for name in ["a.qcow2", "b.qcow2"] {
      let disk = try scratch.open(name).disk
      let nine: UInt64 = 9 << 40
      #expect(
        try map(of: disk) == [
          Extent(.unallocated, offset: 0, length: nine), Extent(.data, offset: nine, length: 65536),
          Extent(.unallocated, offset: nine + 65536, length: (6 << 40) - 65536),
        ])
    }
  }
}

/// One image read by many threads at once, as the workers of a flash do.
@Suite struct QCow2ThreadTests {
  @Test(arguments: ["cluster_size=512", "compression_type=zstd", "cluster_size=2M"])
  func threads(_ options: String) throws {
    let scratch = try Scratch()
    try scratch.shell(
      QCow2CompareTests.seed + "qemu-img convert -c -O qcow2 -o \(options) seed.raw base.qcow2\n"
        + "qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 a.qcow2\n"
        + QCow2CompareTests.changes("a.qcow2", 3) + "qemu-img convert -O raw a.qcow2 expected.raw")
    let expected = try scratch.bytes("expected.raw")
    let disk = try scratch.open("a.qcow2").disk
    let step = 100_000
    let failures = try withWorkers(7, named: "reader", stop: {}) { index in
      var failures = 0
      // Each starts elsewhere and goes all the way round.
      for piece in 0..<(expected.count / step) {
        let offset = (piece + index * 5) % (expected.count / step) * step
        var bytes = [UInt8](repeating: 0xee, count: step)
        var span = bytes.mutableSpan
        var raw = span.mutableBytes
        try disk.read(at: UInt64(offset), into: &raw)
        let isEqual = bytes[...] == expected[offset..<offset + step]
        failures += isEqual ? 0 : 1
      }
      return failures
    } feed: {
      let end = try map(of: disk).last?.end
      #expect(end == disk.byteCount)
    }
    #expect(failures == Array(repeating: 0, count: 7))
  }
}
