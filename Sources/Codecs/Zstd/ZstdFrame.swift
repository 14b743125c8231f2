import Bytes

/// The layout of Zstandard frames (RFC 8878 §3.1), which lz4's skippable frames share.
package enum ZstdFrame {
  /// The signature of a frame, little-endian.
  package static let magic: UInt32 = 0xfd2f_b528

  /// Whether `magic` starts a skippable frame.
  package static func isSkippable(_ magic: UInt32) -> Bool { magic & 0xffff_fff0 == 0x184d_2a50 }

  /// Whether the unused bytes start a frame of either kind.
  package static func isStart(_ input: CompressedInput) throws -> Bool {
    guard try input.fill(4) else { throw input.endsEarly() }
    let found = input.littleEndian(0, as: UInt32.self)
    return found == magic || isSkippable(found)
  }

  /// The signature after any skippable frames at the start of `head`; nil where `head` ends before it.
  package static func firstMagic(_ head: RawSpan) -> UInt32? {
    var offset = 0
    while offset <= head.byteCount - 8 {
      let found: UInt32 = head.littleEndian(at: offset)
      guard isSkippable(found) else { return found }
      offset += 8 + Int(head.littleEndian(at: offset + 4, as: UInt32.self))
    }
    return nil
  }

  /// Whether `head` starts a Zstandard file.
  package static func probe(_ head: RawSpan) -> Bool {
    guard head.byteCount >= 8 else { return false }
    guard let found = firstMagic(head) else { return isSkippable(head.littleEndian(at: 0)) }
    return found == magic
  }
}
