import BlockIO
import Glibc

/// Cuts a lzip file into members that several threads decode; a member too large for that is decoded here.
final class LzipSplitter {
  /// The longest member, in compressed bytes, that is looked for.
  private static let memberLimit = 8 << 20
  /// Bytes of a member's header and trailer (lzip manual, "File format").
  private static let shortestMember = 26

  private let input: CompressedInput
  private let decoder = LZMADecoder(.lzip)

  init(_ input: CompressedInput) { self.input = input }

  /// The decoded stream.
  func pipeline(_ options: DecodingOptions) throws -> any ByteStream {
    let (codec, name) = (input.codec, input.name)
    return try OrderedPipeline<MemberPiece>(
      workers: options.workers, memory: options.memory, stop: options.stop,
      decoder: {
        let decoder = LZMADecoder(.lzip)
        return { try $1.append($0.bytes, at: $0.offset, codec: codec, name: name, decoder) }
      }, split: split)
  }

  private func split(_ sink: PieceSink<MemberPiece>) throws {
    var isFirst = true
    while try input.hasMember(of: decoder, isFirst: isFirst) {
      isFirst = false
      if let length = try memberLength() {
        try sink.append(input, length)
      } else {
        try sink.append(contentsOf: DecodingStream(input, decoder, isSingle: true))
      }
    }
  }

  /// The length of the member at the first unused byte, all of it read; nil if it is the last or too long.
  ///
  /// It ends where its own length and the next member's signature stand.
  private func memberLength() throws -> Int? {
    var index = Self.shortestMember
    while index < Self.memberLimit {
      guard try input.fill(index + 5) else { return nil }
      let found = unsafe memchr(input.next + index, CInt(UInt8(ascii: "L")), input.count - 4 - index)
      guard let found = unsafe found else {
        index = input.count - 4
        continue
      }
      index = unsafe UnsafeRawPointer(found) - UnsafeRawPointer(input.next)
      let isSignature = input.littleEndian(index, as: UInt32.self) == 0x5049_5a4c && input.byte(index + 4) <= 1
      if isSignature && input.littleEndian(index - 8, as: UInt64.self) == UInt64(index) { return index }
      index += 1
    }
    return nil
  }
}
