import BlockIO
import Bytes

/// One whole member (frame) of a stream, still compressed.
struct MemberPiece: Sendable {
  let bytes: [UInt8]
  /// Its offset in the compressed stream.
  let offset: UInt64
}

/// Bytes in memory as a stream.
final class MemoryByteStream: ByteStream {
  private let bytes: [UInt8]
  private var position = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func read(into buffer: inout MutableRawSpan) -> Int {
    let count = min(buffer.byteCount, bytes.count - position)
    unsafe bytes.withUnsafeBytes { from in
      guard let base = from.baseAddress else { return }
      unsafe buffer.copy(RawSpan(_unsafeStart: base + position, byteCount: count), at: 0)
    }
    position += count
    return count
  }
}

extension PieceOutput {
  /// Hands on what `bytes`, whole members from `offset` of a stream, decode to.
  func append(_ bytes: [UInt8], at offset: UInt64, codec: String, name: String, _ decoder: any MemberDecoder) throws {
    let input = CompressedInput(MemoryByteStream(bytes), codec: codec, name: name, offset: offset)
    try append(contentsOf: DecodingStream(input, decoder))
  }
}

extension PieceSink where Piece == MemberPiece {
  /// Hands on the next `length` bytes, which must have been read, as one member.
  func append(_ input: CompressedInput, _ length: Int) throws {
    let piece = MemberPiece(bytes: input.copy(0, length), offset: input.offset)
    input.consume(length)
    try append(piece, cost: length)
  }
}
