import Bytes
import CXXHash

/// The layout of lz4 frames (LZ4 Frame Format 1.6).
package enum LZ4Frame {
  /// The signature of a frame, little-endian.
  package static let magic: UInt32 = 0x184d_2204
  /// The signature of a frame as `lz4 -l` and old Linux kernels make it.
  package static let legacyMagic: UInt32 = 0x184c_2102

  /// Whether `head` starts an lz4 file.
  package static func probe(_ head: RawSpan) -> Bool {
    guard head.byteCount >= 7, let found = ZstdFrame.firstMagic(head) else { return false }
    return found == magic || found == legacyMagic
  }
}

/// The descriptor of an lz4 frame.
struct LZ4FrameHeader {
  /// Bytes from the signature to the first block.
  let length: Int
  /// Whether blocks can be decoded without those before them.
  let isIndependent: Bool
  let hasBlockChecksums: Bool
  let hasContentChecksum: Bool
  let contentSize: UInt64?
  /// The most bytes that a block decodes to.
  let blockLimit: Int

  /// Reads the header at the first unused byte; nil where liblz4 shall say what is wrong or unsupported.
  init?(_ input: CompressedInput) throws {
    guard try input.fill(7) else { throw input.endsEarly() }
    let (flags, sizes) = (input.byte(4), input.byte(5))
    let hasSize = flags & 0x08 != 0
    let hasDictionary = flags & 0x01 != 0
    guard flags >> 6 == 1, flags & 0x02 == 0, !hasDictionary, sizes & 0x8f == 0, sizes >> 4 >= 4 else { return nil }
    length = hasSize ? 15 : 7
    guard try input.fill(length) else { throw input.endsEarly() }
    let descriptor = input.copy(4, length - 5)
    let hash = unsafe descriptor.withUnsafeBytes { unsafe XXH32($0.baseAddress, $0.count, 0) }
    guard UInt8(truncatingIfNeeded: hash >> 8) == input.byte(length - 1) else { return nil }
    isIndependent = flags & 0x20 != 0
    hasBlockChecksums = flags & 0x10 != 0
    hasContentChecksum = flags & 0x04 != 0
    contentSize = hasSize ? input.littleEndian(6, as: UInt64.self) : nil
    blockLimit = 1 << (8 + 2 * Int(sizes >> 4))
  }
}
