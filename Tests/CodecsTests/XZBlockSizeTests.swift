import BlockIO
import Glibc
import Testing

@testable import Codecs

/// How much memory the blocks of an xz file are decoded in.
@Suite struct XZBlockSizeTests {
  /// What `xz --list` says of a file's first block.
  private struct Listed {
    var hasSizes = false
    /// Bytes with its header and check, without them, decoded, and of memory for decoding it.
    var total: UInt64 = 0
    var stored: UInt64 = 0
    var decoded: UInt64 = 0
    var memory: UInt64 = 0

    /// Nil where there is no block.
    init?(_ file: [UInt8]) throws {
      let text = try filtered(file, "xz --robot -lvv in | awk '$1 == \"block\" && $4 == 1' || true")
      let columns = String(decoding: text, as: UTF8.self).split(separator: "\t")
      guard columns.count > 14 else { return nil }
      hasSizes = columns[12] == "cu"
      (total, decoded) = (try #require(UInt64(columns[6])), try #require(UInt64(columns[7])))
      (stored, memory) = (try #require(UInt64(columns[13])), try #require(UInt64(columns[14])))
    }
  }

  /// Counts the bytes that are taken.
  private final class CountedStream: ByteStream {
    private let base: MemoryStream
    private(set) var count = 0
    init(_ bytes: [UInt8]) { base = MemoryStream(bytes) }
    func read(into buffer: inout MutableRawSpan) throws -> Int {
      let read = try base.read(into: &buffer)
      count += read
      return read
    }
  }

  private func memory(_ file: [UInt8], workers: Int, refill: Int = 1 << 10) throws -> UInt64? {
    let input = CompressedInput(MemoryStream(file), codec: "xz", name: "test", refill: refill)
    return try XZBlockSize.memory(input, workers: workers)
  }

  @Test(
    arguments: [
      "xz -T2 --block-size=1MiB", "xz -1 -T2 --block-size=300000 --check=none", "xz -T2 -0 --check=sha256",
      "xz -T2 --x86 --lzma2=preset=0,dict=64KiB --block-size=2MiB", "pixz -1 -p 2",
      "split -b 900000 --filter='xz -0 -T2 --block-size=400000'", "xz -0 -T2 --block-size=700000; xz -0 -T1 < in",
    ])
  func sizesThatAreStatedCount(_ script: String) throws {
    let file = try filtered(DecodingTests.large, script)
    let listed = try #require(try Listed(file))
    #expect(listed.hasSizes)
    for workers in [2, 3, 16] {
      let stored = max(listed.stored, listed.decoded / 2)
      let wanted = UInt64(workers) * (listed.memory + stored + listed.decoded) + listed.decoded
      #expect(try memory(file, workers: workers) == wanted)
      #expect(try memory(file, workers: workers, refill: 1) == wanted)
    }
  }

  @Test(arguments: ["xz -T1", "xz -0 -T1 --block-size=1MiB", "xz -0 -T1; xz -0 -T2 --block-size=700000 < in"])
  func sizesThatAreNotStatedDoNot(_ script: String) throws {
    let file = try filtered(DecodingTests.large, script)
    #expect(try Listed(file)?.hasSizes == false)
    #expect(try memory(file, workers: 4) == nil)
  }

  /// No block in the first stream, nothing but a header, a header that is cut or damaged.
  @Test func whatHasNoBlockHasNoSizes() throws {
    let empty = try filtered(DecodingTests.large, "xz < /dev/null; xz -0 -T2 --block-size=1MiB")
    #expect(try memory(empty, workers: 4) == nil)
    var file = try filtered(DecodingTests.small, "xz -T2 --block-size=1MiB")
    #expect(try memory(file, workers: 4) != nil)
    for length in [12, 13, 20] { #expect(try memory(Array(file.prefix(length)), workers: 4) == nil) }
    file[14] ^= 1
    #expect(try memory(file, workers: 4) == nil)
  }

  /// How many bytes of `file` have been taken once 2 MB have been read, slowly, that four workers decoded.
  private func taken(_ file: [UInt8]) throws -> Int {
    let stream = CountedStream(file)
    let input = CompressedInput(stream, codec: "xz", name: "test", refill: 64)
    let decoded = DecodingStream(input, LZMADecoder(.xz(workers: 4, memory: 1 << 30)))
    var buffer = Buffer(count: 4096)
    for _ in 0..<500 {
      #expect(try buffer.fill { try decoded.read(into: &$0) } == 4096)
      // So that the workers, which nobody else waits for, come to what they may do.
      usleep(500)
    }
    return stream.count
  }

  /// Of blocks that shrink much, as many are decoded ahead of a reader as have room in what half as many bytes again as
  /// each worker's block, and one more, take.
  @Test func theDecoderTakesNoMore() throws {
    let file = try filtered([], "head -c 48M /dev/zero | xz -T2 --block-size=4MiB --lzma2=preset=0,dict=64KiB")
    let total = Int(try #require(try Listed(file)).total)
    let blocks = Double(try taken(file) - 12) / Double(total)
    #expect(2..<7.5 ~= blocks, "\(blocks) blocks of \(total) bytes")
  }

  /// A first block that shrinks much does not stand for all: half of what it decodes to is allowed for what is stored.
  @Test func aFirstBlockOfZeroesIsNoMeasure() throws {
    let file = try filtered([], "head -c 8M /dev/zero | xz -T2 --block-size=4MiB --lzma2=preset=0,dict=64KiB")
    let listed = try #require(try Listed(file))
    #expect(listed.stored < 1 << 14)
    #expect(try memory(file, workers: 2) == 2 * (listed.memory + (6 << 20)) + (4 << 20))
  }
}
