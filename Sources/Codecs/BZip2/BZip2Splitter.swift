import BlockIO

/// One block of a bzip2 stream, or the stream's end.
enum BZip2Piece: Sendable {
  case block(BZip2Block)
  case end(checksum: UInt32, offset: UInt64)
}

/// A bzip2 block cut out of its stream.
struct BZip2Block: Sendable {
  /// The block's bits from its magic on, first bit highest.
  let bits: [UInt8]
  let bitCount: Int
  /// The stream's block size in 100 kB, as the header's digit.
  let level: UInt8
  /// The CRC that the block's header states.
  let checksum: UInt32
  /// Offset of its first bit's byte in the compressed stream.
  let offset: UInt64

  /// The block as a bzip2 stream of its own.
  var stream: [UInt8] {
    var writer = BitWriter(Array("BZh".utf8) + [level])
    writer.append(bits, bitCount)
    writer.append(BZip2Header.endMagic, 48)
    writer.append(UInt64(checksum), 32)
    return writer.bytes
  }

  /// This block and what was taken for the next one; nil where that is longer than a block can be.
  func joined(to next: BZip2Block) -> BZip2Block? {
    guard bitCount + next.bitCount <= BZip2Splitter.blockLimit * 8 else { return nil }
    var writer = BitWriter([])
    writer.append(bits, bitCount)
    writer.append(next.bits, next.bitCount)
    return BZip2Block(
      bits: writer.bytes, bitCount: bitCount + next.bitCount, level: level, checksum: checksum, offset: offset)
  }
}

/// Bytes put together bit by bit, highest bit first.
struct BitWriter {
  private(set) var bytes: [UInt8]
  private var bitCount: Int

  /// Goes on after whole bytes.
  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    bitCount = bytes.count * 8
  }

  /// Appends the lowest `count` bits of `value`, the highest of them first.
  mutating func append(_ value: UInt64, _ count: Int) {
    for shift in stride(from: count - 1, through: 0, by: -1) {
      if bitCount % 8 == 0 { bytes.append(0) }
      bytes[bytes.count - 1] |= UInt8(value >> UInt64(shift) & 1) << UInt8(7 - bitCount % 8)
      bitCount += 1
    }
  }

  /// Appends the first `count` bits of `source`, whose bits after those are 0.
  mutating func append(_ source: [UInt8], _ count: Int) {
    let used = UInt8(bitCount % 8)
    if used == 0 {
      bytes += source
    } else {
      bytes.reserveCapacity(bytes.count + source.count + 16)
      for byte in source {
        bytes[bytes.count - 1] |= byte >> used
        bytes.append(byte << (8 - used))
      }
    }
    bitCount += count
    bytes.removeLast(bytes.count - (bitCount + 7) / 8)
  }
}

/// Cuts bzip2 streams at the magics of their blocks, which start at any bit, so that several threads decode.
///
/// The magics may turn up inside a block by chance: a piece that cannot be decoded is joined to the next one.
final class BZip2Splitter {
  /// The longest block, in compressed bytes: 900 000 symbols of at most 20 bits, and the tables.
  static let blockLimit = 4 << 20

  private let input: CompressedInput
  private let scanner: BZip2Scanner
  private let header = BZip2Decoder()

  private init(_ input: CompressedInput, _ scanner: BZip2Scanner) {
    self.input = input
    self.scanner = scanner
  }

  /// The decoded stream.
  static func pipeline(
    _ input: CompressedInput, _ options: DecodingOptions, scanner: BZip2Scanner = BZip2Scanner(),
    trial: BZip2PieceDecoder.Trial = .init()
  ) throws -> any ByteStream {
    let (codec, name) = (input.codec, input.name)
    let splitter = BZip2Splitter(input, scanner)
    // Less than other codecs read ahead: each decoder has 5.5 MB of its own.
    let memory = min(options.readAhead, (4 << 20) + options.workers * (4 << 20))
    return try OrderedPipeline<BZip2Piece>(
      workers: options.workers, memory: memory, sequence: BZip2Sequence(codec: codec, name: name),
      stop: options.stop, decoder: { BZip2PieceDecoder(codec: codec, name: name, trial: trial).decode },
      split: splitter.split)
  }

  private func split(_ sink: PieceSink<BZip2Piece>) throws {
    var isFirst = true
    while try input.hasMember(of: header, isFirst: isFirst) {
      isFirst = false
      try splitStream(sink)
    }
  }

  /// Cuts one stream, from its header to the byte after its end.
  private func splitStream(_ sink: PieceSink<BZip2Piece>) throws {
    let level = input.byte(3)
    input.consume(4)
    // The first unused byte's bit where the current block or end starts.
    var bit = 0
    var combined: UInt32 = 0
    guard try input.fill(10) else { throw input.endsEarly() }
    guard var kind = scanner.kind(input, at: 0) else { throw input.corrupt("a stream does not start with a block") }
    while kind == .block {
      guard try input.fill(12) else { throw input.endsEarly() }
      let checksum = bits32(bit + 48)
      combined = (combined << 1 | combined >> 31) ^ checksum
      let next = try nextMagic(after: bit, combined)
      let block = BZip2Block(
        bits: slice(bit, next.bit), bitCount: next.bit - bit, level: level, checksum: checksum, offset: input.offset)
      kind = next.kind
      input.consume(next.bit / 8)
      bit = next.bit % 8
      try sink.append(.block(block), cost: block.bits.count)
    }
    guard try input.fill((bit + 80 + 7) / 8) else { throw input.endsEarly() }
    try sink.append(.end(checksum: bits32(bit + 48), offset: input.offset), cost: 0)
    input.consume((bit + 80 + 7) / 8)
  }

  /// The first magic that can end the block at `start`.
  private func nextMagic(after start: Int, _ combined: UInt32) throws -> (kind: BZip2Scanner.Kind, bit: Int) {
    var from = start + 80
    while true {
      guard let found = scanner.find(input, from: from) else {
        guard input.count <= Self.blockLimit else { throw input.corrupt("a block does not end") }
        from = max(from, input.count * 8 - 47)
        guard try input.fill(input.count + 1) else { throw input.endsEarly() }
        continue
      }
      if found.kind == .block { return found }
      if try isEnd(found.bit, combined) { return found }
      from = found.bit + 1
    }
  }

  /// Whether the end magic at `bit` is one and not there by chance: the stream's CRC is right, or what can stand after
  /// a stream follows.
  private func isEnd(_ bit: Int, _ combined: UInt32) throws -> Bool {
    let end = (bit + 80 + 7) / 8
    guard try input.fill(end) else { throw input.endsEarly() }
    if bits32(bit + 48) == combined { return true }
    guard try input.fill(end + 4) else { return true }
    let next = input.littleEndian(end, as: UInt32.self)
    return next == 0 || next & 0xff_ffff == 0x68_5a42
  }

  /// The 32 bits at `bit`, which must have been read.
  private func bits32(_ bit: Int) -> UInt32 {
    var value: UInt64 = 0
    for index in 0..<5 where bit / 8 + index < input.count {
      value |= UInt64(input.byte(bit / 8 + index)) << UInt64(32 - 8 * index)
    }
    return UInt32(truncatingIfNeeded: value >> UInt64(8 - bit % 8))
  }

  /// The bits from `start` (below 8) to `end`, first bit highest, the last byte filled up with 0.
  private func slice(_ start: Int, _ end: Int) -> [UInt8] {
    let count = (end - start + 7) / 8
    var bytes = input.copy(0, min(count + 1, input.count))
    if start > 0 {
      for index in 0..<count {
        let next = index + 1 < bytes.count ? bytes[index + 1] >> UInt8(8 - start) : 0
        bytes[index] = bytes[index] << UInt8(start) | next
      }
    }
    bytes.removeLast(bytes.count - count)
    let rest = (end - start) % 8
    if rest > 0 { bytes[count - 1] &= ~(0xff >> UInt8(rest)) }
    return bytes
  }
}

/// Verifies the CRCs of bzip2 streams.
final class BZip2Sequence: PieceSequence {
  private let codec: String
  private let name: String
  private var combined: UInt32 = 0

  init(codec: String, name: String) { (self.codec, self.name) = (codec, name) }

  func finish(_ piece: BZip2Piece) throws {
    switch piece {
    case .block(let block): combined = (combined << 1 | combined >> 31) ^ block.checksum
    case .end(let checksum, let offset):
      guard checksum == combined else {
        throw ImageError(
          .damaged, format: codec, file: name, offset: offset,
          "the bzip2 stream is damaged: the CRC of the whole stream is wrong")
      }
      combined = 0
    }
  }

  func join(_ piece: BZip2Piece, _ next: BZip2Piece) -> BZip2Piece? {
    guard case .block(let block) = piece, case .block(let other) = next else { return nil }
    return block.joined(to: other).map { .block($0) }
  }
}
