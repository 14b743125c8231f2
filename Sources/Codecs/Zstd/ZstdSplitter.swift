import BlockIO

/// Cuts a Zstandard stream into frames that several threads decode; a frame too large for that is decoded here.
final class ZstdSplitter {
  /// The longest frame, in compressed bytes, that is looked for; one that a skippable frame of pzstd announces may be
  /// eight times as long.
  private static let frameLimit = 4 << 20
  /// The largest window of a frame that is decoded beside others.
  private static let windowLimit: UInt64 = 32 << 20

  private let input: CompressedInput
  private let decoder: ZstdDecoder
  private var isAnnounced = false

  init(_ input: CompressedInput, _ decoder: ZstdDecoder) {
    self.input = input
    self.decoder = decoder
  }

  /// The decoded stream.
  func pipeline(_ options: DecodingOptions) throws -> any ByteStream {
    let (codec, name) = (input.codec, input.name)
    return try OrderedPipeline<MemberPiece>(
      workers: options.workers, memory: options.readAhead, stop: options.stop,
      decoder: {
        guard let decoder = ZstdDecoder() else {
          throw ImageError(.unsupported, format: codec, file: name, "there is not enough memory to decode it")
        }
        return { try $1.append($0.bytes, at: $0.offset, codec: codec, name: name, decoder) }
      }, split: split)
  }

  private func split(_ sink: PieceSink<MemberPiece>) throws {
    var isFirst = true
    while try input.hasMember(of: decoder, isFirst: isFirst) {
      isFirst = false
      if ZstdFrame.isSkippable(input.littleEndian(0)) {
        guard try input.fill(8) else { throw input.endsEarly() }
        let length = Int(input.littleEndian(4, as: UInt32.self))
        isAnnounced = length == 4
        try input.skip(8 + length)
      } else if let length = try frameLength() {
        try sink.append(input, length)
      } else {
        try sink.append(contentsOf: DecodingStream(input, decoder, isSingle: true))
      }
    }
  }

  /// The length of the frame at the first unused byte, all of which has then been read; nil if it is too long, needs
  /// too large a window or is damaged.
  private func frameLength() throws -> Int? {
    let limit = isAnnounced ? Self.frameLimit * 8 : Self.frameLimit
    isAnnounced = false
    guard try input.fill(6), let header = try frameHeader(), header.window <= Self.windowLimit else { return nil }
    var length = header.length
    while true {
      guard length < limit, try input.fill(length + 3) else { return nil }
      let block = Int(input.littleEndian(length, as: UInt16.self)) | Int(input.byte(length + 2)) << 16
      let type = block >> 1 & 3
      guard type != 3 else { return nil }
      length += 3 + (type == 1 ? 1 : block >> 3)
      if block & 1 != 0 { break }
    }
    length += header.hasChecksum ? 4 : 0
    guard length <= limit, try input.fill(length) else { return nil }
    return length
  }

  /// The frame header's fields (RFC 8878 §3.1.1.1).
  private func frameHeader() throws -> (length: Int, window: UInt64, hasChecksum: Bool)? {
    let descriptor = input.byte(4)
    let isSingleSegment = descriptor & 0x20 != 0
    let sizeLength = [isSingleSegment ? 1 : 0, 2, 4, 8][Int(descriptor >> 6)]
    let sizeStart = 5 + (isSingleSegment ? 0 : 1) + [0, 1, 2, 4][Int(descriptor & 3)]
    guard try input.fill(sizeStart + sizeLength) else { return nil }
    var window: UInt64 = 0
    if isSingleSegment {
      for index in (0..<sizeLength).reversed() { window = window << 8 | UInt64(input.byte(sizeStart + index)) }
      if sizeLength == 2 { window += 256 }
    } else {
      let base: UInt64 = 1 << (10 + UInt64(input.byte(5) >> 3))
      window = base + base / 8 * UInt64(input.byte(5) & 7)
    }
    return (sizeStart + sizeLength, window, descriptor & 4 != 0)
  }
}
