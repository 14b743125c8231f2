package import BlockIO
import Bytes

/// A compression format: how to recognise it and how to decode it.
///
/// To add one, add a folder with a `static let` like ``gzip`` and name it in ``all``.
package struct Codec: Sendable {
  /// The name to show, such as `gzip`.
  package let name: String
  /// Whether a file that starts with `head` (its first 64 KiB, or all of it) is of this format.
  package let probe: @Sendable (_ head: RawSpan) -> Bool
  private let decoder: @Sendable (_ input: CompressedInput, _ options: DecodingOptions) throws -> any ByteStream

  package init(
    name: String, probe: @escaping @Sendable (_ head: RawSpan) -> Bool,
    decoder: @escaping @Sendable (_ input: CompressedInput, _ options: DecodingOptions) throws -> any ByteStream
  ) {
    self.name = name
    self.probe = probe
    self.decoder = decoder
  }

  /// What `input`, called `name` in messages, decodes to.
  ///
  /// All of the input is decoded: every member, stream or frame. A short read is the end, and says that all checksums
  /// were right and nothing was left over; damage and an early end throw `ImageError` with the compressed offset.
  package func open(
    _ input: any ByteStream, name: String, options: DecodingOptions = DecodingOptions()
  ) throws -> any ByteStream {
    try decoder(CompressedInput(input, codec: self.name, name: name, refill: options.refill), options)
  }
}

/// How to decode a compressed stream.
package struct DecodingOptions: Sendable {
  /// Threads that decode, beside the one that reads the decoded bytes; 0 decodes on that one.
  package var workers: Int
  /// Bytes of memory that decoding on several threads may take beyond what one needs.
  package var memory: Int
  /// Bytes that are read at a time.
  package var refill = 256 << 10
  /// Raised when the decoded stream goes away, for an input that may wait.
  package var stop: StopFlag?
  /// Sees the stored bytes of a file as they are read; the file is read front to back then, compressed or not.
  package var tap: (any ByteTap)?

  /// Whether an input is looked at for compression at all.
  var decompresses = true

  /// Bytes that may be decoded ahead of the reader where members are small or of any size; blocks of xz and members of
  /// lzip, which are large, may take all of `memory`.
  var readAhead: Int { min(memory, (8 << 20) + max(workers, 1) * (6 << 20)) }

  package init(workers: Int = 1, memory: Int? = nil) {
    self.workers = workers
    self.memory = memory ?? min(max(workers, 1) * (64 << 20), 256 << 20)
  }

  /// `stream` decoded on a thread of its own, unless no threads are wanted.
  func beside(_ stream: DecodingStream) throws -> any ByteStream {
    workers > 0 ? try readingAhead(stream, stop: stop) : stream
  }
}

extension Codec {
  /// Every codec, longest signature first; lzma-alone, which has none, is last.
  package static let all: [Codec] = [.lzop, .lrzip, .xz, .bzip2, .lzip, .zstd, .lz4, .gzip, .lzma]

  /// The codec of a file that starts with `head`, or nil.
  package static func detect(_ head: RawSpan) -> Codec? {
    for codec in all where codec.probe(head) { return codec }
    return nil
  }

  /// Whether `file` starts as a compressed file does; lzma-alone, which has no signature, does not count.
  static func isCompressed(_ file: any BlockSource) throws -> Bool {
    let start = try HeadedStream(SourceByteStream(file), headSize: InputFile.headSize)
    return start.withHead { detectSignature($0) } != nil
  }

  /// The codec of a file that starts with `head`, or nil; lzma-alone, which has no signature, does not count.
  static func detectSignature(_ head: RawSpan) -> Codec? {
    all.first { $0.name != lzma.name && $0.probe(head) }
  }

  package static let gzip = Codec(name: "gzip", probe: GzipHeader.probe) { input, options in
    try options.beside(DecodingStream(input, GzipDecoder()))
  }

  package static let bzip2 = Codec(name: "bzip2", probe: BZip2Header.probe) { input, options in
    guard options.workers > 1 else { return try options.beside(DecodingStream(input, BZip2Decoder())) }
    return try BZip2Splitter.pipeline(input, options)
  }

  package static let zstd = Codec(name: "zstd", probe: ZstdFrame.probe) { input, options in
    guard let decoder = ZstdDecoder() else { throw input.outOfMemory() }
    guard options.workers > 1 else { return try options.beside(DecodingStream(input, decoder)) }
    return try ZstdSplitter(input, decoder).pipeline(options)
  }

  package static let xz = Codec(name: "xz", probe: LZMASignature.probeXZ) { input, options in
    let decoder = LZMADecoder(.xz(workers: options.workers, memory: UInt64(options.memory)))
    return try options.beside(DecodingStream(input, decoder))
  }

  package static let lzip = Codec(name: "lzip", probe: LZMASignature.probeLzip) { input, options in
    guard options.workers > 1 else { return try options.beside(DecodingStream(input, LZMADecoder(.lzip))) }
    return try LzipSplitter(input).pipeline(options)
  }

  package static let lzma = Codec(name: "lzma", probe: LZMASignature.probeAlone) { input, options in
    try options.beside(DecodingStream(input, LZMADecoder(.alone)))
  }

  package static let lz4 = Codec(name: "lz4", probe: LZ4Frame.probe) { input, options in
    try LZ4Splitter.pipeline(input, options)
  }

  package static let lzop = refused(name: "lzo", command: "lzop -dc") { head in
    head.byteCount >= 9 && head.bigEndian(at: 0, as: UInt64.self) == 0x894c_5a4f_000d_0a1a
  }

  package static let lrzip = refused(name: "lrz", command: "lrzcat") { head in
    head.byteCount >= 6 && head.bigEndian(at: 0, as: UInt32.self) == 0x4c52_5a49
  }

  /// A codec that is recognised so that it can be refused with the command that decodes it.
  private static func refused(
    name: String, command: String, probe: @escaping @Sendable (_ head: RawSpan) -> Bool
  ) -> Codec {
    Codec(name: name, probe: probe) { input, _ in
      let program = CommandLine.arguments.first?.split(separator: "/").last ?? "restore"
      throw ImageError(
        .unsupported, format: name, file: input.name,
        "\(name) compression is not decoded here; decode it on the way in: \(command) \(input.name) | \(program) - …")
    }
  }
}
