import BlockIO
import Glibc
import Testing
import Threads

@testable import Codecs

private struct ReadFailure: Error {}

@Suite struct PipelineTests {
  static let image = sample(800_000, seed: 9)

  /// With only some bits of the magics compared, most blocks are cut where none ends.
  @Test(arguments: ["bzip2 -1", "bzip2 -9", "lbzip2 -2"], [48, 20, 14]) func falseBlockMagicsAreJoined(
    _ filter: String, bits: Int
  ) throws {
    let compressed = try filtered(Array(Self.image.prefix(800_000)), filter)
    let input = CompressedInput(MemoryStream(compressed), codec: "bzip2", name: "test")
    let scanner = BZip2Scanner(blockBits: UInt64(bits))
    let stream = try BZip2Splitter.pipeline(input, DecodingOptions(workers: 2), scanner: scanner)
    let found = try stream.readAll()
    #expect(found == Array(Self.image.prefix(800_000)))
  }

  @Test(
    arguments: ["gzip -1", "bzip2 -1", "pzstd -p 2", "xz -0", "lz4 -B4", "lz4 -BD", "lzip -0 -b 100000"], [1, 2, 4])
  func aReaderMayGoAwayAtAnyTime(_ filter: String, workers: Int) throws {
    let compressed = try filtered(Array(Self.image.prefix(600_000)), filter)
    let codec = try #require(compressed.withUnsafeBytes { Codec.detect(RawSpan(_unsafeBytes: $0)) })
    for length in [0, 1, 100_000, 500_000] {
      let stream = try codec.open(MemoryStream(compressed), name: "test", options: DecodingOptions(workers: workers))
      var buffer = Buffer(count: max(length, 1))
      var span = buffer.mutablePrefix(length)
      #expect(try stream.read(into: &span) == length)
    }
  }

  @Test(
    arguments: ["gzip -1", "bzip2 -1", "pzstd -p 2", "xz -0", "lz4 -B4", "lz4 -BD", "lzip -0 -b 100000"], [0, 1, 2])
  func errorsOfTheInputArePassedOn(_ filter: String, workers: Int) throws {
    let compressed = try filtered(Array(Self.image.prefix(600_000)), filter)
    let codec = try #require(compressed.withUnsafeBytes { Codec.detect(RawSpan(_unsafeBytes: $0)) })
    let broken = MemoryStream(Array(compressed.dropLast(compressed.count / 4)), failure: ReadFailure())
    let stream = try codec.open(broken, name: "test", options: DecodingOptions(workers: workers))
    #expect(throws: ReadFailure.self) { try stream.readAll() }
    // It stays failed.
    if workers > 0 { #expect(throws: ReadFailure.self) { try stream.readAll() } }
  }

  /// A piece that comes back joined may find all workers at later ones, for which there is no room before it is read.
  @Test func aJoinedPieceGetsAWorker() throws {
    let queue = PieceQueue<Int>(memory: 4096, slotLimit: 8)
    for piece in 1...3 { _ = try queue.add(piece, cost: 0) }
    let tickets = [queue.take(), queue.take(), queue.take()].compactMap { $0?.ticket }
    try #require(tickets.count == 3)
    let last = tickets[2]
    try queue.append(try queue.chunk(4096, for: last), to: last)
    let hasRoom = Monitor(false)
    let worker = Thread(name: "worker") {
      _ = try? queue.chunk(4096, for: last)
      hasRoom.update { $0 = true }
    }
    queue.finish(tickets[0], ReadFailure())
    guard case .failed(_, 1, next: 2) = queue.next() else {
      Issue.record("the first piece has not failed")
      return
    }
    #expect(!hasRoom.wait(.milliseconds(50)) { $0 })
    queue.replaceFirstTwo(by: 12)
    #expect(hasRoom.wait(.seconds(10)) { $0 })
    queue.cancel()
    worker?.join()
  }

  /// Data that shrinks a thousandfold must not fill memory: pieces wait for the reader, and chunks that are being filled
  /// count as those that wait do; the piece at the front may have two of 4 MiB beyond that.
  @Test(arguments: ["bzip2 -9", "lz4 -B7", "pzstd -p 4", "lzip -0 -b 3000000"]) func memoryIsBounded(_ filter: String)
    throws
  {
    let compressed = try filtered([], "head -c 60000000 /dev/zero | \(filter)")
    let codec = try #require(compressed.withUnsafeBytes { Codec.detect(RawSpan(_unsafeBytes: $0)) })
    let queueLimit = 16 << 20
    let stream = try codec.open(
      MemoryStream(compressed), name: "test", options: DecodingOptions(workers: 2, memory: queueLimit))
    var buffer = Buffer(count: 1 << 20)
    var total = 0
    while true {
      let count = try buffer.fill { try stream.read(into: &$0) }
      total += count
      if let pipeline = stream as? any BoundedMemory { #expect(pipeline.held <= queueLimit + (8 << 20)) }
      if count < 1 << 20 { break }
    }
    #expect(total == 60_000_000)
    #expect(stream is any BoundedMemory)
  }

  /// Whole chunks that have been decoded come as they are, in the order of the bytes that are read.
  @Test(arguments: ["gzip -1", "zstd", "xz -0"]) func decodedChunksAreGivenAway(_ filter: String) throws {
    let bytes = sample(7_000_000, seed: 3)
    let compressed = try filtered(bytes, filter)
    let codec = try #require(compressed.withUnsafeBytes { Codec.detect(RawSpan(_unsafeBytes: $0)) })
    let stream = try HeadedStream(
      codec.open(MemoryStream(compressed), name: "test", options: DecodingOptions(workers: 2)), headSize: 65536)
    let unit = Chunk.usualCapacity
    var found: [UInt8] = []
    var exchangeCount = 0
    // One that is too small for a chunk, three as a copy has them, and one that is larger than what a chunk has.
    for size in [unit - 1, unit + 512, unit + 512, unit + 512, unit + 8192] {
      var buffer = Buffer(count: size)
      if try stream.exchange(&buffer, count: unit) {
        exchangeCount += 1
        buffer.prefix(unit).withUnsafeBytes { found.append(contentsOf: $0) }
      } else {
        let count = try buffer.fill(0, min(size, unit)) { try stream.read(into: &$0) }
        buffer.prefix(count).withUnsafeBytes { found.append(contentsOf: $0) }
        if size < unit {
          // On to where the next chunk starts.
          found += try stream.readSome(unit - count)
        }
      }
      #expect(buffer.count >= size)
    }
    found += try stream.readAll()
    #expect(found == bytes)
    #expect(exchangeCount == 3)
  }

  @Test func workersStartWithTheFirstPieceAndOnce() throws {
    let starts = Monitor(0)
    let workers = DecodingWorkers(count: 3) { starts.update { $0 += 1 } }
    workers.join()
    #expect(starts.update { $0 } == 0)
    try workers.start()
    try workers.start()
    workers.join()
    #expect(starts.update { $0 } == 3)
  }

  @Test func noThreadIsLeftBehind() throws {
    let compressed = try filtered(Array(Self.image.prefix(500_000)), "bzip2 -1")
    func threads() -> [String] {
      guard let folder = opendir("/proc/self/task") else { return [] }
      defer { closedir(folder) }
      var names: [String] = []
      while let entry = readdir(folder) {
        names.append(
          withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
          })
      }
      return names
    }
    let before = threads().count
    for _ in 0..<50 {
      let stream = try Codec.bzip2.open(MemoryStream(compressed), name: "test", options: DecodingOptions(workers: 4))
      _ = stream
    }
    // Other tests run beside this one; 250 threads would show.
    #expect(threads().count < before + 100)
  }
}
