import Bytes

/// The layout of bzip2 streams.
package enum BZip2Header {
  /// The 48 bits that start a block, at any bit position.
  package static let blockMagic: UInt64 = 0x3141_5926_5359
  /// The 48 bits that end a stream, at any bit position.
  package static let endMagic: UInt64 = 0x1772_4538_5090

  /// Whether `head` starts a bzip2 stream: signature, level, and a block or the end right after them.
  package static func probe(_ head: RawSpan) -> Bool {
    // The first block's own mark is left to the decoder: damage there must not make a raw disk of the file.
    guard head.byteCount >= 4 else { return false }
    return (0x425a_6831...0x425a_6839).contains(head.bigEndian(at: 0, as: UInt32.self))
  }
}
