import BlockIO
import Bytes
import CLZ4

/// Decodes lz4 frames with liblz4, which verifies block and content checksums and the content size.
@safe
package final class LZ4Decoder: MemberDecoder {
  private let context: OpaquePointer

  /// Nil where there is no memory.
  package init?() {
    var made: OpaquePointer?
    _ = unsafe LZ4F_createDecompressionContext(&made, UInt32(LZ4F_VERSION))
    guard let made = unsafe made else { return nil }
    unsafe context = made
  }

  deinit { _ = unsafe LZ4F_freeDecompressionContext(context) }

  package var padding: StreamPadding { .nothing }

  package func isStart(_ input: CompressedInput) throws -> Bool {
    guard try input.fill(4) else { throw input.endsEarly() }
    let found = input.littleEndian(0, as: UInt32.self)
    return found == LZ4Frame.magic || ZstdFrame.isSkippable(found)
  }

  package func begin(_ input: CompressedInput) throws {
    unsafe LZ4F_resetDecompressionContext(context)
  }

  package func step(_ input: CompressedInput, _ output: UnsafeMutableRawBufferPointer) throws -> DecodingStep {
    var produced = output.count
    var used = input.count
    let result = unsafe LZ4F_decompress(context, output.baseAddress, &produced, input.next, &used, nil)
    input.consume(used)
    guard LZ4F_isError(result) == 0 else {
      throw input.corrupt(unsafe String(cString: LZ4F_getErrorName(result)))
    }
    return DecodingStep(produced: produced, isEnd: result == 0)
  }
}
