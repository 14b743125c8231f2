import Bytes

/// The layout of bzip2 streams.
package enum BZip2Header {
  /// The 48 bits that start a block, at any bit position.
  package static let blockMagic: UInt64 = 0x3141_5926_5359
  /// The 48 bits that end a stream, at any bit position.
  package static let endMagic: UInt64 = 0x1772_4538_5090

  /// Whether `head` starts a bzip2 stream: signature, level, and a block or the end right after them.
  package static func probe(_ head: RawSpan) -> Bool {
    guard head.byteCount >= 10 else { return false }
    let signature: UInt32 = head.bigEndian(at: 0)
    let magic = head.bigEndian(at: 2, as: UInt64.self) & 0xffff_ffff_ffff
    return (0x425a_6831...0x425a_6839).contains(signature) && (magic == blockMagic || magic == endMagic)
  }
}
