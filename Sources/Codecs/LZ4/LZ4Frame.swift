import Bytes

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
