import BlockIO
import Bytes
import Testing
import Threads

@testable import Codecs

/// The own decoder of bzip2 blocks, against the programs that write them and against libbz2.
@Suite struct BZip2Tests {
  /// What comes out of a stream to its end or to an error.
  private struct Outcome: Equatable {
    var bytes: [UInt8] = []
    var message: String?
  }

  private func outcome(_ stream: () throws -> any ByteStream) -> Outcome {
    var outcome = Outcome()
    do {
      let stream = try stream()
      // One by one, since those before an error in one call are lost.
      var buffer = Buffer(count: 1)
      while try buffer.fill({ try stream.read(into: &$0) }) == 1 {
        buffer.prefix(1).withUnsafeBytes { outcome.bytes.append($0[0]) }
      }
    } catch { outcome.message = "\(error)" }
    return outcome
  }

  /// `compressed` through the pipeline, and how many blocks each decoder has decoded.
  private func pipeline(
    _ compressed: [UInt8], usesLibrary: Bool = false, bits: UInt64 = 48
  ) throws -> (stream: any ByteStream, counts: Monitor<(own: Int, library: Int)>) {
    let counts = Monitor((own: 0, library: 0))
    let trial = BZip2PieceDecoder.Trial(usesLibrary: usesLibrary) { isOwn in
      counts.update { if isOwn { $0.own += 1 } else { $0.library += 1 } }
    }
    let input = CompressedInput(MemoryStream(compressed), codec: "bzip2", name: "test")
    let stream = try BZip2Splitter.pipeline(
      input, DecodingOptions(workers: 2), scanner: BZip2Scanner(blockBits: bits), trial: trial)
    return (stream, counts)
  }

  /// `bytes` through `filter` come back, and the own decoder does that alone.
  private func check(_ bytes: [UInt8], _ filter: String) throws {
    let compressed = try filtered(bytes, filter)
    let (stream, counts) = try pipeline(compressed)
    let found = try stream.readAll()
    #expect(found == bytes)
    let (own, library) = counts.update { $0 }
    #expect(library == 0)
    #expect(own > 0 || bytes.isEmpty)
  }

  /// Both decoders make the same of `compressed`.
  private func compare(_ compressed: [UInt8], _ comment: Comment? = nil) {
    let expected = outcome { try pipeline(compressed, usesLibrary: true).stream }
    let found = outcome { try pipeline(compressed).stream }
    #expect(found == expected, comment)
  }

  private static let text = Array(
    (0..<4000).map { "line \($0 * $0 % 977) of a text, with the number \($0)\n" }.joined().utf8)

  @Test(arguments: ["bzip2", "lbzip2"], 1...9) func allLevels(_ program: String, level: Int) throws {
    try check(sample(1_200_000, seed: UInt64(level)), "\(program) -\(level)")
  }

  /// The bytes that `value` makes of 0, 1, 2 and so on.
  private static func made(_ count: Int, _ value: (Int) -> Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value($0)) }
  }

  private static let allContents: [[UInt8]] = [
    [], [0], [255], Array("banana".utf8), made(256) { $0 }, made(256) { 255 - $0 }, made(100_000) { $0 }, text,
    made(50_000) { ($0 &* $0 &* 2_654_435_761) >> 13 & 1 },
    // Texts that are a shorter one again and again, whose ways come round early.
    made(3) { _ in 7 }, made(90_000) { $0 % 2 }, made(90_000) { $0 % 3 }, made(99_990) { $0 % 10 },
  ]

  @Test(arguments: allContents.indices) func contents(_ index: Int) throws {
    let bytes = Self.allContents[index]
    for filter in ["bzip2 -1", "bzip2 -9", "lbzip2 -1"] { try check(bytes, filter) }
  }

  @Test(arguments: [1, 3, 4, 5, 254, 255, 256, 258, 259, 260, 263, 264, 518, 519, 100_000, 5_000_000])
  func runs(_ length: Int) throws {
    let run = [UInt8](repeating: 0x61, count: length)
    try check(run, "bzip2 -1")
    try check([0x62] + run + [0x62], "bzip2 -9")
    // Across the end of a block of 100 000.
    let noise = sample(99_970, seed: 4)
    for before in 0..<12 where length < 1000 { try check(noise + Array(0..<UInt8(before)) + run + noise, "bzip2 -1") }
  }

  @Test func manyStreams() throws {
    let bytes = sample(300_000, seed: 11)
    try check(bytes, "split -b 1000 --filter=bzip2")
    try check(bytes, "split -b 70000 --filter='bzip2 -1'")
  }

  @Test func noise() throws {
    var state: UInt64 = 5
    let bytes = (0..<2_000_000).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 56)
    }
    try check(bytes, "bzip2 -9")
    try check(bytes, "lbzip2 -5")
  }

  /// Where blocks are cut at magics that are none, the own decoder says no to the halves and the joined block is right.
  @Test(arguments: [14, 18]) func blocksCutInOddPlaces(_ bits: UInt64) throws {
    let compressed = try filtered(Self.text + sample(400_000, seed: 3), "bzip2 -2")
    let (stream, counts) = try pipeline(compressed, bits: bits)
    let found = try stream.readAll()
    #expect(found == Self.text + sample(400_000, seed: 3))
    let (own, library) = counts.update { $0 }
    #expect(own >= 3 && library > 0)
  }

  @Test func truncations() throws {
    let compressed = try filtered(Array(Self.text.prefix(300)), "bzip2 -1; echo again | bzip2")
    for length in 0..<compressed.count { compare(Array(compressed.prefix(length)), "\(length)") }
  }

  @Test(arguments: [0x01, 0x10, 0x80, 0xff] as [UInt8]) func flips(_ mask: UInt8) throws {
    let compressed = try filtered(Array(Self.text.prefix(300)), "bzip2 -1; echo again | bzip2")
    for index in compressed.indices {
      var damaged = compressed
      damaged[index] ^= mask
      compare(damaged, "\(index)")
    }
  }

  @Test func damageInOneOfManyBlocks() throws {
    let compressed = try filtered(sample(900_000, seed: 8), "bzip2 -1")
    for part in 1..<12 {
      var damaged = compressed
      damaged[compressed.count * part / 12] ^= 0x08
      compare(damaged, "\(part)")
    }
  }

  /// A block that is more than one chunk has been handed on in part when its CRC is seen to be wrong.
  @Test func damageIsFoundAfterChunksHaveGone() throws {
    var compressed = try filtered([], "head -c 3000000 /dev/zero | bzip2 -1")
    compressed[12] ^= 1
    let expected = outcome { try pipeline(compressed, usesLibrary: true).stream }
    let found = outcome { try pipeline(compressed).stream }
    #expect(found == expected)
    // The chunk in which the error shows is lost with it.
    #expect(found.bytes.count == 2 << 20 && found.message?.contains("CRC is wrong") == true)
  }

  /// Whatever the own decoder takes for a block is one for libbz2 too, with the same bytes; the CRC is made right.
  @Test func whatIsDecodedIsValid() throws {
    let decoder = BZip2BlockDecoder()
    var accepted = 0
    for text in [Array("bananas and other bananas".utf8), Array(Self.text.prefix(400)), Array(0...255)] {
      let compressed = try filtered(text, "bzip2 -1")
      // The end's magic and CRC, 80 bits, are somewhere in the last 11 bytes; blocks are tried to all ends there.
      for bit in 14 * 8..<(compressed.count - 10) * 8 {
        var bits = Array(compressed.dropFirst(4))
        bits[bit / 8 - 4] ^= 0x80 >> UInt8(bit % 8)
        for count in (bits.count - 11) * 8...(bits.count - 10) * 8 {
          var cut = Array(bits.prefix((count + 7) / 8))
          if count % 8 != 0 { cut[cut.count - 1] &= ~(0xff >> UInt8(count % 8)) }
          let block = BZip2Block(bits: cut, bitCount: count, level: 0x31, checksum: 0, offset: 0)
          guard decoder.decode(block) else { continue }
          var runs = BZip2Runs(decoder.text, decoder.count)
          var found = [UInt8](repeating: 0, count: 1 << 20)
          let length = found.withUnsafeMutableBytes { runs.read($0) }
          guard !runs.isCutOff else { continue }
          found.removeLast(found.count - length)
          let checksum = BZip2Checksum()
          found.withUnsafeBytes { checksum.update($0) }
          for index in 0..<4 { cut[6 + index] = UInt8(truncatingIfNeeded: checksum.value >> UInt32(24 - 8 * index)) }
          let whole = BZip2Block(bits: cut, bitCount: count, level: 0x31, checksum: checksum.value, offset: 0)
          let expected = try decode(.bzip2, whole.stream)
          #expect(found == expected)
          accepted += 1
        }
      }
    }
    #expect(accepted > 100)
  }

  @Test func codesOfAllLengths() throws {
    let table = BZip2HuffmanTable()
    /// The symbol and the length of the code that `bits` starts with.
    func find(_ bits: UInt64) -> (symbol: Int, length: Int)? {
      let entry = table.lookup[Int(bits >> UInt64(64 - BZip2HuffmanTable.lookupBits))]
      let found = entry == 0 ? table.long(bits) : entry
      return found == 0 ? nil : (Int(found >> 5), Int(found & 31))
    }
    // Symbol 0 is 0, 1 is 10, 2 is 110 and so on.
    let lengths = (1...20).map { UInt8($0) } + [20]
    #expect(table.build(lengths))
    for (symbol, length) in lengths.enumerated() {
      let ones = ~UInt64(0) << UInt64(64 - symbol)
      let found = try #require(find(symbol == 0 ? 0 : ones))
      #expect(found == (symbol, Int(length)))
    }
    // Without the last two there are codes that mean nothing.
    #expect(table.build(Array(lengths.dropLast(2))))
    #expect(find(~0) == nil)
    #expect(find(~0 << 46)?.symbol == 18)
    // More codes than there can be.
    #expect(!table.build([1, 1, 1]))
    #expect(!table.build([1, 1, 20]))
    #expect(!table.build(Array(repeating: 8, count: 257)))
    #expect(table.build(Array(repeating: 8, count: 256)))
    #expect(find(0xa5 << 56)?.symbol == 0xa5)
  }

  @Test func moveToFront() {
    // 0, 1, 2 … 255, eight in a word.
    var words: [UInt64] = (0..<32).map { (word: Int) -> UInt64 in
      UInt64(word) &* 0x0808_0808_0808_0808 &+ 0x0706_0504_0302_0100
    }
    var expected = Array(0...255 as ClosedRange<UInt8>)
    var state: UInt32 = 1
    words.withUnsafeMutableBufferPointer { words in
      guard let base = words.baseAddress else { return }
      var list = BZip2MoveToFront(base)
      for round in 0..<20_000 {
        state = state &* 1_664_525 &+ 1_013_904_223
        let place = round < 256 ? round : Int(state >> 24) >> Int(state >> 20 & 7)
        let byte = expected.remove(at: place)
        expected.insert(byte, at: 0)
        let found = list.take(place)
        #expect(found == byte && list.first == byte)
      }
    }
  }

  @Test func checksum() {
    let checksum = BZip2Checksum()
    Array("123456789".utf8).withUnsafeBytes { checksum.update($0) }
    #expect(checksum.value == 0xfc89_1918)
    // In parts of any length.
    let bytes = sample(20_000, seed: 2)
    checksum.reset()
    bytes.withUnsafeBytes { checksum.update($0) }
    let whole = checksum.value
    checksum.reset()
    bytes.withUnsafeBytes { bytes in
      for part in stride(from: 0, to: bytes.count, by: 77) {
        checksum.update(UnsafeRawBufferPointer(rebasing: bytes[part..<min(part + 77, bytes.count)]))
      }
    }
    #expect(checksum.value == whole)
  }

  @Test func runsIntoSmallBuffers() {
    let run = Array(repeating: UInt8(3), count: 4)
    let text: [UInt8] = [1, 1, 1, 2] + run + [0] + run + [2, 3, 4, 5, 6, 7, 8, 9] + run + [255] + [0, 0, 0, 0, 1]
    var expected: [UInt8] = [1, 1, 1, 2]
    expected += Array(repeating: 3, count: 11)
    expected += [4, 5, 6, 7, 8, 9]
    expected += Array(repeating: 3, count: 259)
    expected += Array(repeating: 0, count: 5)
    for unit in [1, 2, 3, 4, 5, 7, 64, 1000] {
      var found: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: unit)
      text.withUnsafeBufferPointer { text in
        guard let base = text.baseAddress else { return }
        var runs = BZip2Runs(base, text.count)
        while true {
          let count = buffer.withUnsafeMutableBytes { runs.read($0) }
          found += buffer.prefix(count)
          if count < unit { break }
        }
        #expect(!runs.isCutOff)
        var cut = BZip2Runs(base, text.count - 1)
        var all = [UInt8](repeating: 0, count: 1000)
        _ = all.withUnsafeMutableBytes { cut.read($0) }
        #expect(cut.isCutOff)
      }
      #expect(found == expected)
    }
  }
}
