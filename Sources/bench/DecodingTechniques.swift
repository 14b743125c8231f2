import BlockIO
import Bytes
import CZlib
import Codecs
import Flow
import Images
import SystemPackage

extension Technique {
  /// Techniques of decoding compressed streams, with nowhere to write to.
  static let decoding = [
    Technique(name: "parallel-decoding") { work in
      (
        on: { try work.drain(DecodingOptions(workers: Workload.decoders)) },
        off: { try work.drain(DecodingOptions(workers: 1)) }
      )
    },
    Technique(name: "isa-l") { work in
      (on: { try work.drain(.gzip) }, off: { try work.drain(.gzipByZlib) })
    },
  ]
}

extension Codec {
  /// gzip as zlib decodes it.
  fileprivate static let gzipByZlib = Codec(name: "gzip", probe: GzipHeader.probe) { input, _ in
    try readingAhead(DecodingStream(input, ZlibDecoder()))
  }
}

extension Workload {
  /// Decodes all of the image's bytes, whatever is in them.
  fileprivate func drain(_ options: DecodingOptions) throws {
    guard case .stream(let stream) = try InputFile.open(FilePath(image), options: options).content else { return }
    try drain(stream)
  }

  fileprivate func drain(_ codec: Codec) throws {
    try drain(codec.open(FileByteStream(OpenFile(FilePath(image), .readOnly)), name: image))
  }

  private func drain(_ stream: any ByteStream) throws {
    var buffer = Buffer(count: 1 << 20)
    while try buffer.fill({ try stream.read(into: &$0) }) == buffer.count {}
  }
}

/// Decodes gzip members with zlib, header and checksum included.
@safe
private final class ZlibDecoder: MemberDecoder {
  // On the heap: zlib's state points back at it.
  private let stream: UnsafeMutablePointer<z_stream>
  private var hasStarted = false

  init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
  }

  deinit {
    if hasStarted { _ = unsafe inflateEnd(stream) }
    unsafe stream.deallocate()
  }

  var padding: StreamPadding { .zeroes }

  func isStart(_ input: CompressedInput) throws -> Bool {
    try input.hasPrefix([0x1f, 0x8b])
  }

  func begin(_ input: CompressedInput) throws {
    let result = unsafe hasStarted ? inflateReset(stream) : czlib_inflate_init2(stream, 31)
    guard result == Z_OK else { throw input.outOfMemory() }
    hasStarted = true
  }

  func step(_ input: CompressedInput, _ output: UnsafeMutableRawBufferPointer) throws -> DecodingStep {
    let held = min(input.count, 1 << 30)
    let room = min(output.count, 1 << 30)
    unsafe stream.pointee.next_in = input.next
    unsafe stream.pointee.avail_in = UInt32(held)
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe stream.pointee.avail_out = UInt32(room)
    let result = unsafe inflate(stream, Z_NO_FLUSH)
    input.consume(held - Int(unsafe stream.pointee.avail_in))
    guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(result) else { throw input.corrupt("invalid deflate data") }
    return DecodingStep(produced: room - Int(unsafe stream.pointee.avail_out), isEnd: result == Z_STREAM_END)
  }
}
