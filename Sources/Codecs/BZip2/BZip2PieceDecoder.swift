import BlockIO
import Bytes

/// Decodes blocks of bzip2 streams: by the own decoder, and where that says no by libbz2, which also says what is wrong.
final class BZip2PieceDecoder {
  private let codec: String
  private let name: String
  private let decoder = BZip2BlockDecoder()
  private let checksum = BZip2Checksum()
  private lazy var library = BZip2Decoder()
  private let trial: Trial

  /// What tests want to know and to have otherwise.
  struct Trial: Sendable {
    /// Whether libbz2 decodes everything.
    var usesLibrary = false
    /// Sees of each block whether the own decoder has decoded it.
    var see: @Sendable (_ isOwn: Bool) -> Void = { _ in }
  }

  /// Names `codec` and the file `name` in messages.
  init(codec: String, name: String, trial: Trial = Trial()) {
    self.codec = codec
    self.name = name
    self.trial = trial
  }

  /// Hands on what `piece` decodes to.
  func decode(_ piece: BZip2Piece, _ output: PieceOutput<BZip2Piece>) throws {
    guard case .block(let block) = piece else { return }
    var delivered = 0
    let isOwn = try !trial.usesLibrary && decoder.decode(block) && deliver(block, output, &delivered)
    trial.see(isOwn)
    if !isOwn { try decodeByLibrary(block, output, without: delivered) }
  }

  /// Hands on what the decoder has made of `block`, and counts it; false if it is not what the block's CRC says.
  private func deliver(
    _ block: BZip2Block, _ output: PieceOutput<BZip2Piece>, _ delivered: inout Int
  ) throws -> Bool {
    var runs = unsafe BZip2Runs(decoder.text, decoder.count)
    checksum.reset()
    while true {
      let chunk = try output.chunk()
      let count = try chunk.append { free in
        // Safe: the pointer is used inside the closure only.
        unsafe free.withUnsafeMutableBytes { bytes in
          let count = unsafe runs.read(bytes)
          unsafe checksum.update(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[..<count]))
          return count
        }
      }
      let isLast = count < chunk.capacity
      // Most blocks fit into one chunk, and nothing of them has been handed on when the CRC is seen to be wrong.
      if isLast && (runs.isCutOff || checksum.value != block.checksum) { return false }
      if count > 0 { try output.append(chunk) }
      delivered += count
      if isLast { return true }
    }
  }

  /// Hands on what libbz2 makes of `block`, without the first `delivered` bytes, which the own decoder handed on before
  /// it found the block damaged.
  private func decodeByLibrary(
    _ block: BZip2Block, _ output: PieceOutput<BZip2Piece>, without delivered: Int
  ) throws {
    let input = CompressedInput(MemoryByteStream(block.stream), codec: codec, name: name, offset: block.offset)
    let stream = DecodingStream(input, library)
    var left = delivered
    var buffer = Buffer(count: left > 0 ? 1 << 20 : 0)
    while left > 0 {
      var part = buffer.mutablePrefix(min(left, buffer.count))
      let count = try stream.read(into: &part)
      guard count > 0 else { break }
      left -= count
    }
    try output.append(contentsOf: stream)
    if delivered > 0 { throw input.corrupt("a block is invalid or its CRC is wrong") }
  }
}
