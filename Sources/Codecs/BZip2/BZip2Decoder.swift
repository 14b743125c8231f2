import BlockIO
import CBZip2

/// Decodes bzip2 streams with libbz2, which verifies the CRCs of blocks and streams.
@safe
package final class BZip2Decoder: MemberDecoder {
  // On the heap: libbz2 keeps its address.
  private let stream: UnsafeMutablePointer<bz_stream>
  private var isOpen = false

  package init() {
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: bz_stream())
  }

  deinit {
    if isOpen { unsafe BZ2_bzDecompressEnd(stream) }
    unsafe stream.deallocate()
  }

  package var padding: StreamPadding { .zeroes }

  package func isStart(_ input: CompressedInput) throws -> Bool {
    guard try input.hasPrefix(Array("BZh".utf8)) else { return false }
    guard try input.fill(4) else { throw input.endsEarly() }
    return (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(input.byte(3))
  }

  package func begin(_ input: CompressedInput) throws {
    if isOpen { unsafe BZ2_bzDecompressEnd(stream) }
    unsafe stream.pointee = bz_stream()
    isOpen = unsafe BZ2_bzDecompressInit(stream, 0, 0) == BZ_OK
    guard isOpen else { throw input.outOfMemory() }
  }

  package func step(_ input: CompressedInput, _ output: UnsafeMutableRawBufferPointer) throws -> DecodingStep {
    let room = min(output.count, 1 << 30)
    let held = min(input.count, 1 << 30)
    unsafe stream.pointee.next_in = UnsafeMutableRawPointer(input.next).assumingMemoryBound(to: CChar.self)
    unsafe stream.pointee.avail_in = UInt32(held)
    unsafe stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: CChar.self)
    unsafe stream.pointee.avail_out = UInt32(room)
    let result = unsafe BZ2_bzDecompress(stream)
    input.consume(held - Int(unsafe stream.pointee.avail_in))
    switch result {
    case BZ_OK, BZ_STREAM_END: break
    case BZ_MEM_ERROR: throw input.outOfMemory()
    default: throw input.corrupt("a block is invalid or its CRC is wrong")
    }
    return DecodingStep(produced: room - Int(unsafe stream.pointee.avail_out), isEnd: result == BZ_STREAM_END)
  }
}
