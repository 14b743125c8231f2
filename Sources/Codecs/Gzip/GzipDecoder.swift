import BlockIO
import Bytes
import CISAL

/// Decodes gzip members (RFC 1952) with ISA-L, which verifies CRC-32 and length.
@safe
package final class GzipDecoder: MemberDecoder {
  // On the heap: 87 KB.
  private let state: UnsafeMutablePointer<inflate_state>

  package init() {
    unsafe state = .allocate(capacity: 1)
    unsafe isal_inflate_init(state)
  }

  deinit { unsafe state.deallocate() }

  package var padding: StreamPadding { .zeroes }

  package func isStart(_ input: CompressedInput) throws -> Bool { try input.hasPrefix([0x1f, 0x8b]) }

  package func begin(_ input: CompressedInput) throws {
    // ISA-L 2.30's own header reader reads uninitialised memory where a header straddles two buffers.
    try GzipHeader.skip(input)
    unsafe isal_inflate_reset(state)
    unsafe state.pointee.crc_flag = UInt32(ISAL_GZIP_NO_HDR_VER)
  }

  package func step(_ input: CompressedInput, _ output: UnsafeMutableRawBufferPointer) throws -> DecodingStep {
    let room = min(output.count, 1 << 30)
    let held = min(input.count, 1 << 30)
    unsafe state.pointee.next_in = input.next
    unsafe state.pointee.avail_in = UInt32(held)
    unsafe state.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe state.pointee.avail_out = UInt32(room)
    let result = unsafe isal_inflate(state)
    input.consume(held - Int(unsafe state.pointee.avail_in))
    guard result >= ISAL_DECOMP_OK else {
      throw input.corrupt(result == ISAL_INCORRECT_CHECKSUM ? "its CRC-32 or length is wrong" : "invalid deflate data")
    }
    let isEnd = unsafe state.pointee.block_state == ISAL_BLOCK_FINISH
    return DecodingStep(produced: room - Int(unsafe state.pointee.avail_out), isEnd: isEnd)
  }
}

/// A gzip member's header (RFC 1952 §2.3).
package enum GzipHeader {
  private static let headerChecksum: UInt8 = 0x02
  private static let extra: UInt8 = 0x04
  private static let name: UInt8 = 0x08
  private static let comment: UInt8 = 0x10
  private static let reserved: UInt8 = 0xe0
  /// The longest header that is read; names and comments have no limit of their own.
  private static let limit = 1 << 20

  /// Whether `head` starts a gzip member: signature, the one compression method, no reserved flag.
  package static func probe(_ head: RawSpan) -> Bool {
    head.byteCount >= 10 && head.bigEndian(at: 0, as: UInt16.self) == 0x1f8b
      && head.littleEndian(at: 2, as: UInt8.self) == 8 && head.littleEndian(at: 3, as: UInt8.self) & reserved == 0
  }

  /// Uses up the header at the first unused byte; throws if it is damaged.
  package static func skip(_ input: CompressedInput) throws {
    guard try input.fill(10) else { throw input.endsEarly() }
    guard input.byte(2) == 8 else { throw input.corrupt("unknown compression method \(input.byte(2))") }
    let flags = input.byte(3)
    guard flags & reserved == 0 else { throw input.corrupt("the member's header has reserved flags") }
    var length = 10
    if flags & extra != 0 {
      guard try input.fill(length + 2) else { throw input.endsEarly() }
      length += 2 + Int(input.littleEndian(length, as: UInt16.self))
      guard try input.fill(length) else { throw input.endsEarly() }
    }
    if flags & name != 0 { length = try end(ofTextAt: length, input) }
    if flags & comment != 0 { length = try end(ofTextAt: length, input) }
    if flags & headerChecksum != 0 {
      guard try input.fill(length + 2) else { throw input.endsEarly() }
      let bytes = input.copy(0, length)
      let checksum = UInt16(truncatingIfNeeded: unsafe CRC32.of(bytes.span.bytes))
      guard checksum == input.littleEndian(length, as: UInt16.self) else {
        throw input.corrupt("the checksum of a member's header is wrong")
      }
      length += 2
    }
    input.consume(length)
  }

  /// The index after the NUL that ends the text at `start`.
  private static func end(ofTextAt start: Int, _ input: CompressedInput) throws -> Int {
    var index = start
    while true {
      guard index < limit else { throw input.corrupt("a member's header is longer than \(limit) bytes") }
      guard try input.fill(index + 1) else { throw input.endsEarly() }
      index += 1
      if input.byte(index - 1) == 0 { return index }
    }
  }
}
