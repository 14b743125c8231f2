import BlockIO
import Bytes
import CLZ4
import CXXHash

/// Some blocks of an lz4 frame that depend on nothing before them, or the frame's end.
enum LZ4Piece: Sendable {
  case blocks(LZ4Blocks)
  case end(LZ4FrameEnd)
}

/// Independent blocks of one frame, as they are stored.
struct LZ4Blocks: Sendable {
  /// Block size fields, blocks and block checksums.
  let bytes: [UInt8]
  /// The offset of `bytes` in the compressed stream.
  let offset: UInt64
  /// The most bytes that one block decodes to.
  let blockLimit: Int
  let hasChecksums: Bool
  /// Legacy blocks are always compressed, so the size field's top bit is not a flag.
  let isLegacy: Bool
}

/// What an lz4 frame says at its end, and at its start, of all its contents.
struct LZ4FrameEnd: Sendable {
  let offset: UInt64
  let checksum: UInt32?
  let contentSize: UInt64?
}

/// Cuts lz4 frames into blocks that several threads decode; a frame of linked blocks is decoded here.
final class LZ4Splitter {
  /// Legacy frames have blocks of 8 MiB.
  private static let legacyBlock = 8 << 20
  /// Blocks of other frames have at most 4 MiB: the decoding of one for each worker and two that wait fits in memory.
  private static let largestBlock = 4 << 20
  /// Compressed bytes that are enough for one piece.
  private static let pieceSize = 256 << 10

  private let input: CompressedInput
  private let linked: LZ4Decoder

  private init(_ input: CompressedInput, _ linked: LZ4Decoder) {
    self.input = input
    self.linked = linked
  }

  /// The decoded stream.
  static func pipeline(_ input: CompressedInput, _ options: DecodingOptions) throws -> any ByteStream {
    guard let linked = LZ4Decoder() else { throw input.outOfMemory() }
    let (codec, name) = (input.codec, input.name)
    let splitter = LZ4Splitter(input, linked)
    let workers = max(options.workers, 1)
    return try OrderedPipeline<LZ4Piece>(
      workers: workers, memory: min(options.memory, (workers + 2) * Self.largestBlock),
      sequence: LZ4Sequence(codec: codec, name: name), stop: options.stop,
      decoder: {
        { piece, output in
          if case .blocks(let blocks) = piece { try blocks.decode(into: output, codec: codec, name: name) }
        }
      }, split: splitter.split)
  }

  private func split(_ sink: PieceSink<LZ4Piece>) throws {
    guard try input.fill(1) else { throw input.endsEarly() }
    var isFirst = true
    while try input.fill(1) {
      guard try input.fill(4) else { throw input.endsEarly() }
      let magic = input.littleEndian(0, as: UInt32.self)
      if ZstdFrame.isSkippable(magic) {
        guard try input.fill(8) else { throw input.endsEarly() }
        try input.skip(8 + Int(input.littleEndian(4, as: UInt32.self)))
      } else if magic == LZ4Frame.legacyMagic {
        input.consume(4)
        try splitLegacy(sink)
      } else if magic == LZ4Frame.magic {
        try splitFrame(sink)
      } else {
        throw isFirst ? input.corrupt("it does not start with the codec's signature") : input.trailingData()
      }
      isFirst = false
    }
  }

  private func splitFrame(_ sink: PieceSink<LZ4Piece>) throws {
    guard let header = try LZ4FrameHeader(input), header.isIndependent else {
      return try sink.append(contentsOf: DecodingStream(input, linked, isSingle: true))
    }
    input.consume(header.length)
    var length = 0
    var blocks = 0
    while true {
      guard try input.fill(length + 4) else { throw input.endsEarly() }
      let field = input.littleEndian(length, as: UInt32.self)
      let size = Int(field & 0x7fff_ffff)
      guard size <= header.blockLimit else {
        throw input.damaged("the lz4 stream is damaged: a block is too long", at: input.offset + UInt64(length))
      }
      if field != 0 {
        length += 4 + size + (header.hasBlockChecksums ? 4 : 0)
        blocks += 1
        guard try input.fill(length) else { throw input.endsEarly() }
      }
      if length >= Self.pieceSize || blocks * header.blockLimit >= Self.largestBlock || field == 0 {
        try append(length, header.blockLimit, header.hasBlockChecksums, isLegacy: false, sink)
        (length, blocks) = (0, 0)
      }
      if field == 0 { break }
    }
    try endFrame(header, sink)
  }

  private func endFrame(_ header: LZ4FrameHeader, _ sink: PieceSink<LZ4Piece>) throws {
    let length = header.hasContentChecksum ? 8 : 4
    guard try input.fill(length) else { throw input.endsEarly() }
    let checksum = header.hasContentChecksum ? input.littleEndian(4, as: UInt32.self) : nil
    let end = LZ4FrameEnd(offset: input.offset, checksum: checksum, contentSize: header.contentSize)
    input.consume(length)
    try sink.append(.end(end), cost: 0)
  }

  /// A legacy frame ends where the input does or another frame starts.
  private func splitLegacy(_ sink: PieceSink<LZ4Piece>) throws {
    while try input.fill(1) {
      guard try input.fill(4) else { throw input.endsEarly() }
      let size = input.littleEndian(0, as: UInt32.self)
      if size == LZ4Frame.magic || size == LZ4Frame.legacyMagic || ZstdFrame.isSkippable(size) { break }
      guard size > 0, size <= Self.legacyBlock + Self.legacyBlock / 255 + 16 else { throw input.trailingData() }
      guard try input.fill(4 + Int(size)) else { throw input.endsEarly() }
      try append(4 + Int(size), Self.legacyBlock, false, isLegacy: true, sink)
    }
    try sink.append(.end(LZ4FrameEnd(offset: input.offset, checksum: nil, contentSize: nil)), cost: 0)
  }

  private func append(
    _ length: Int, _ blockLimit: Int, _ hasChecksums: Bool, isLegacy: Bool, _ sink: PieceSink<LZ4Piece>
  ) throws {
    guard length > 0 else { return }
    let blocks = LZ4Blocks(
      bytes: input.copy(0, length), offset: input.offset, blockLimit: blockLimit, hasChecksums: hasChecksums,
      isLegacy: isLegacy)
    input.consume(length)
    try sink.append(.blocks(blocks), cost: length)
  }
}

extension LZ4Blocks {
  /// Decodes the blocks, whose sizes the splitter has checked.
  func decode(into output: PieceOutput<LZ4Piece>, codec: String, name: String) throws {
    let capacity = max(blockLimit, Chunk.usualCapacity)
    var chunk = try output.chunk(capacity)
    var index = 0
    while index + 4 <= bytes.count {
      let field: UInt32 = unsafe bytes.span.bytes.littleEndian(at: index)
      let size = Int(isLegacy ? field : field & 0x7fff_ffff)
      let start = index + 4
      if capacity - chunk.count < blockLimit {
        try output.append(chunk)
        chunk = try output.chunk(capacity)
      }
      func damaged(_ detail: String) -> ImageError {
        let place = offset + UInt64(index)
        return ImageError(
          .damaged, format: codec, file: name, offset: place, "the lz4 stream is damaged: \(detail)")
      }
      let isStored = !isLegacy && field >> 31 != 0
      _ = try chunk.append { free in
        guard let count = decodeBlock(start, size, isStored, into: &free) else { throw damaged("a block is invalid") }
        return count
      }
      index = start + size
      guard hasChecksums else { continue }
      let stored: UInt32 = unsafe bytes.span.bytes.littleEndian(at: index)
      guard xxh32(start, size) == stored else { throw damaged("the checksum of a block is wrong") }
      index += 4
    }
    if chunk.count > 0 { try output.append(chunk) }
  }

  /// Decodes the `size` bytes at `start` and says how many that made; nil if they are invalid.
  private func decodeBlock(_ start: Int, _ size: Int, _ isStored: Bool, into free: inout MutableRawSpan) -> Int? {
    if isStored {
      unsafe free.copy(bytes.span.bytes.slice(start, size), at: 0)
      return size
    }
    let limit = CInt(min(free.byteCount, blockLimit))
    let count = unsafe free.withUnsafeMutableBytes { to in
      unsafe bytes.withUnsafeBytes { from in
        guard let to = to.baseAddress, let from = from.baseAddress else { return CInt(-1) }
        return unsafe LZ4_decompress_safe(
          (from + start).assumingMemoryBound(to: CChar.self), to.assumingMemoryBound(to: CChar.self), CInt(size), limit)
      }
    }
    return count >= 0 ? Int(count) : nil
  }

  private func xxh32(_ start: Int, _ size: Int) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe $0.baseAddress.map { unsafe XXH32($0 + start, size, 0) } ?? 0 }
  }
}

/// Verifies what lz4 frames say of their whole contents.
@safe
final class LZ4Sequence: PieceSequence {
  private let codec: String
  private let name: String
  private let hash: OpaquePointer?
  private var length: UInt64 = 0

  init(codec: String, name: String) {
    self.codec = codec
    self.name = name
    unsafe hash = XXH32_createState()
    if let hash = unsafe hash { _ = unsafe XXH32_reset(hash, 0) }
  }

  deinit { if let hash = unsafe hash { _ = unsafe XXH32_freeState(hash) } }

  func pass(_ bytes: RawSpan) {
    length += UInt64(bytes.byteCount)
    guard let hash = unsafe hash else { return }
    _ = unsafe bytes.withUnsafeBytes { unsafe XXH32_update(hash, $0.baseAddress, $0.count) }
  }

  func finish(_ piece: LZ4Piece) throws {
    guard case .end(let end) = piece else { return }
    let found = unsafe hash.map { unsafe XXH32_digest($0) }
    if let checksum = end.checksum, checksum != found { throw damaged("a frame's content checksum is wrong", end) }
    if let size = end.contentSize, size != length {
      throw damaged("a frame holds \(length) bytes where its header says \(size)", end)
    }
    length = 0
    if let hash = unsafe hash { _ = unsafe XXH32_reset(hash, 0) }
  }

  private func damaged(_ detail: String, _ end: LZ4FrameEnd) -> ImageError {
    ImageError(.damaged, format: codec, file: name, offset: end.offset, "the lz4 stream is damaged: \(detail)")
  }
}
