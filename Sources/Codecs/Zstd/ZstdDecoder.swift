import BlockIO
import CZstd

/// Decodes Zstandard frames (RFC 8878) with libzstd, which verifies content checksums.
@safe
package final class ZstdDecoder: MemberDecoder {
  /// The largest window that is accepted, as a power of two: what `zstd --long=31` makes.
  package static let windowLimit: CInt = 31

  private let context: OpaquePointer

  /// Nil where there is no memory.
  package init?() {
    guard let made = unsafe ZSTD_createDCtx() else { return nil }
    unsafe context = made
    _ = unsafe ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, Self.windowLimit)
  }

  deinit { _ = unsafe ZSTD_freeDCtx(context) }

  package var padding: StreamPadding { .nothing }

  package func isStart(_ input: CompressedInput) throws -> Bool { try ZstdFrame.isStart(input) }

  package func begin(_ input: CompressedInput) throws {
    _ = unsafe ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
  }

  package func step(_ input: CompressedInput, _ output: UnsafeMutableRawBufferPointer) throws -> DecodingStep {
    var from = unsafe ZSTD_inBuffer(src: input.next, size: input.count, pos: 0)
    var to = unsafe ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
    let result = unsafe ZSTD_decompressStream(context, &to, &from)
    input.consume(unsafe from.pos)
    guard ZSTD_isError(result) == 0 else { throw Self.error(result, input) }
    return DecodingStep(produced: unsafe to.pos, isEnd: result == 0)
  }

  /// What libzstd's error code says, in a sentence.
  private static func error(_ code: Int, _ input: CompressedInput) -> ImageError {
    switch ZSTD_getErrorCode(code) {
    case ZSTD_error_frameParameter_windowTooLarge:
      ImageError(
        .unsupported, format: input.codec, file: input.name, offset: input.offset,
        "a frame needs a window above 2^\(windowLimit) bytes, which is more than is decoded here")
    case ZSTD_error_dictionary_wrong:
      ImageError(
        .unsupported, format: input.codec, file: input.name, offset: input.offset,
        "it was made with a dictionary, which is not supported")
    case ZSTD_error_memory_allocation: input.outOfMemory()
    case ZSTD_error_checksum_wrong: input.corrupt("a frame's content checksum is wrong")
    default: input.corrupt(unsafe String(cString: ZSTD_getErrorName(code)))
    }
  }
}
