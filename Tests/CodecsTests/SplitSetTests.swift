import BlockIO
import Codecs
import SystemPackage
import Testing
import Threads

@Suite struct SplitSetTests {
  static let whole = sample(200_003, seed: 3)

  /// Options of split and the number of pieces they make of `whole`.
  static let ways: [(options: String, count: Int)] = [
    ("-b 100000", 3), ("-b 250", 801), ("-b 10000 -a 3", 21), ("-b 10000 -d", 21), ("-b 1000 -d", 201),
    ("-b 1000 -d -a 3", 201), ("-d -a 2 -n 97", 97), ("-a 2 -n 660", 660), ("-a 4 -b 10000", 21), ("-n 7 -e", 7),
  ]

  @Test(arguments: ways, ["disk.img.gz.", "x", "disk_", "disk", "xen", "disk.img"]) func joinsWhatSplitMakes(
    _ way: (options: String, count: Int), prefix: String
  ) throws {
    // Numbers after anything but a dot are no suffix.
    if way.options.contains("-d") && !prefix.hasSuffix(".") { return }
    let folder = TemporaryFolder()
    try folder.write(Self.whole, "in")
    try shell(
      "split \(way.options) in \(prefix); mkdir list; ls | grep -v -e '^in$' -e '^list$' > list/names", in: folder)
    let names = String(decoding: try folder.read("list/names"), as: UTF8.self).split(separator: "\n").map(String.init)
    #expect(names.count == way.count)
    for name in [names[0], names[names.count / 2], names[names.count - 1]] {
      let set = try #require(try SplitSet.open(folder.path.appending(name)))
      // ls sorts as split counts.
      #expect(set.pieces.map { $0.path.lastComponent?.string } == names)
      #expect(set.byteCount == UInt64(Self.whole.count))
      #expect(try SourceByteStream(set).readAll(unit: 7777) == Self.whole)
    }
    // The file that was split is not a piece.
    #expect(try SplitSet.open(folder.path.appending("in")) == nil)
  }

  @Test func readsAnywhereFromManyThreads() throws {
    let folder = TemporaryFolder()
    try folder.write(Self.whole, "in")
    try shell("split -b 301 in x.", in: folder)
    let set = try #require(try SplitSet.open(folder.path.appending("x.aa")))
    _ = try withWorkers(4, named: "test", stop: {}) { worker in
      var state = UInt64(worker)
      for _ in 0..<400 {
        state = state &* 6_364_136_223_846_793_005 &+ 1
        let offset = Int(state >> 33) % Self.whole.count
        let count = min(Int(state >> 20 & 4095), Self.whole.count - offset)
        var buffer = Buffer(count: max(count, 1))
        var span = buffer.mutablePrefix(count)
        try set.read(at: UInt64(offset), into: &span)
        let found = buffer.prefix(count).withUnsafeBytes { Array($0) }
        #expect(found == Array(Self.whole[offset..<offset + count]))
      }
    } feed: {
    }
  }

  @Test(arguments: [
    ("x.aa x.ab x.ad", "x.ab", "x.ac"), ("x.aa x.ab x.ad", "x.ad", "x.ac"), ("x.ab x.ac", "x.ac", "x.aa"),
    ("x.ab", "x.ab", "x.aa"), ("x.00 x.02", "x.00", "x.01"), ("x.01 x.02", "x.02", "x.00"),
    ("x.000 x.001 x.003", "x.001", "x.002"), ("x.aaa x.aac", "x.aaa", "x.aab"), ("x.aab x.aac", "x.aab", "x.aaa"),
    ("xab xac", "xab", "xaa"), ("disk-ac disk-ab", "disk-ac", "disk-aa"), ("x.aa x.ac", "x.aa", "x.ab"),
  ])
  func namesTheMissingPiece(_ files: String, opened: String, missing: String) throws {
    let folder = TemporaryFolder()
    try shell("touch \(files)", in: folder)
    let error = #expect(throws: ImageError.self) { try SplitSet.open(folder.path.appending(opened)) }
    #expect(error?.file == folder.path.appending(missing).string)
    #expect(error?.kind == .damaged)
  }

  @Test(arguments: [
    ("x.img.gz", "x.img.gz"), ("x.img.gz x.img.xz", "x.img.gz"), ("x.aa", "x.aa"), ("x.07", "x.07"),
    ("x.2024", "x.2024"), ("disk.img", "disk.img"), ("vm-10 vm-11", "vm-11"), ("x.raw x.img x.iso", "x.raw"),
    ("a.qcow2 b.qcow2", "a.qcow2"), ("system.10", "system.10"),
  ])
  func aFileOfItsOwnIsNoSet(_ files: String, opened: String) throws {
    let folder = TemporaryFolder()
    try shell("touch \(files)", in: folder)
    #expect(try SplitSet.open(folder.path.appending(opened)) == nil)
  }

  /// Numbered files that start as images do are files of their own; a set whose later piece is missing stays one.
  @Test(arguments: [("vm.10 vm.11", "vm.11"), ("disk.ab disk.ac", "disk.ab"), ("x.ab", "x.ab"), ("xab xac", "xac")])
  func contentsTellThatNoFirstPieceIsMissing(_ files: String, opened: String) throws {
    let folder = TemporaryFolder()
    try shell("touch \(files); printf image > \(opened)", in: folder)
    let path = folder.path.appending(opened)
    #expect(try SplitSet.open(path) { $0.byteCount == 5 } == nil)
    #expect(throws: ImageError.self) { try SplitSet.open(path) { $0.byteCount == 4 } }
    // Compression shows by itself, but for lzma's, which has no signature.
    for (filter, isWhole) in [
      ("gzip", true), ("zstd -q", true), ("xz", true), ("xz --format=lzma", false), ("cat", false),
    ] {
      try shell("echo text | \(filter) > \(opened)", in: folder)
      if isWhole {
        #expect(try InputFile.open(path).parts.count == 1, "\(filter)")
      } else {
        #expect(throws: ImageError.self, "\(filter)") { try InputFile.open(path) }
      }
    }
    try shell("touch vm.00 disk.aa x.aa xaa; rm -f vm.01", in: folder)
    if opened == "vm.11" { #expect(throws: ImageError.self) { try SplitSet.open(path) { _ in true } } }
  }

  @Test func otherFilesBesideASetAreNotGaps() throws {
    let folder = TemporaryFolder()
    try shell(
      "printf 1 > x.aa; printf 2 > x.ab; : > x.ac; printf 3 > x.ad; touch x.gz x.md x.img y.aa y.zz", in: folder)
    let set = try #require(try SplitSet.open(folder.path.appending("x.ac")))
    #expect(set.pieces.count == 4)
    #expect(try SourceByteStream(set).readAll() == Array("123".utf8))
  }

  /// The 182nd piece of a set ends in `gz`, the 299th in `lz`.
  @Test(arguments: ["gz", "lz", "dd", "md", "zst"]) func piecesThatLookLikeExtensions(_ suffix: String) throws {
    let folder = TemporaryFolder()
    try folder.write([UInt8](repeating: 7, count: 700), "in")
    // Alone, or with a gap before it, it is a file of its own.
    try shell("touch x.aa x.\(suffix)", in: folder)
    #expect(try SplitSet.open(folder.path.appending("x.\(suffix)")) == nil)
    if suffix == "zst" { return }
    try shell("split -b 1 in x.", in: folder)
    #expect(try SplitSet.open(folder.path.appending("x.\(suffix)"))?.pieces.count == 700)
  }

  @Test func aPieceThatShrinksIsAnError() throws {
    let folder = TemporaryFolder()
    try shell("printf 1111 > x.aa; printf 2222 > x.ab; printf 3 > x.ac", in: folder)
    let set = try #require(try SplitSet.open(folder.path.appending("x.aa")))
    try shell("truncate -s 3 x.ab", in: folder)
    #expect(throws: (any Error).self) { try SourceByteStream(set).readAll() }
    // Once it is open, too.
    try shell("printf 2222 > x.ab", in: folder)
    let again = try #require(try SplitSet.open(folder.path.appending("x.aa")))
    #expect(try SourceByteStream(again).readAll() == Array("111122223".utf8))
    try shell("truncate -s 3 x.ab", in: folder)
    #expect(throws: (any Error).self) { try SourceByteStream(again).readAll() }
  }

  @Test func fiveThousandPiecesOpenFast() throws {
    let folder = TemporaryFolder()
    try folder.write([UInt8](repeating: 7, count: 50_000), "in")
    try shell("split -b 10 in x.", in: folder)
    var set: SplitSet?
    let time = try ContinuousClock().measure { set = try SplitSet.open(folder.path.appending("x.ab")) }
    #expect(set?.pieces.count == 5000)
    // Milliseconds, in fact; a search of the folder for each piece would take minutes.
    #expect(time < .seconds(30))
    print("5000 pieces opened in \(time)")
  }

  @Test(arguments: [SplitSuffix.Alphabet.letters, .digits], [nil, 2, 3]) func suffixesCount(
    _ alphabet: SplitSuffix.Alphabet, length: Int?
  ) {
    let scheme = SplitSuffix(alphabet, length: length)
    let base = alphabet == .letters ? 26 : 10
    let count = length.map { $0 == 2 ? base * base : base * base * base } ?? 20000
    var last = ""
    for index in 0..<count {
      let suffix = scheme.suffix(index)
      #expect(last < suffix && scheme.index(of: suffix) == index)
      last = suffix
    }
  }
}
