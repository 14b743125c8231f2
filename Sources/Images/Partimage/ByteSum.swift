import Bytes

/// Sums of bytes, as partimage checks its headers and the whole of an image.
enum ByteSum {
  /// The sum of the bytes as unsigned numbers.
  static func unsigned(_ bytes: RawSpan) -> UInt64 {
    let lanes: UInt64 = 0x00ff_00ff_00ff_00ff
    var sum: UInt64 = 0
    var offset = 0
    while bytes.byteCount - offset >= 8 {
      // Four lanes of 16 bits, each of which takes 128 words of two bytes up to 255 and no more.
      let end = min(bytes.byteCount - 7, offset + 128 * 8)
      var partial: UInt64 = 0
      while offset < end {
        let word: UInt64 = bytes.littleEndian(at: offset)
        partial &+= (word & lanes) &+ (word >> 8 & lanes)
        offset &+= 8
      }
      sum &+= (partial & 0xffff) &+ (partial >> 16 & 0xffff) &+ (partial >> 32 & 0xffff) &+ partial >> 48
    }
    while offset < bytes.byteCount {
      sum &+= UInt64(bytes.littleEndian(at: offset, as: UInt8.self))
      offset &+= 1
    }
    return sum
  }

  /// The sum of the bytes as signed numbers, modulo 2^32.
  static func signed(_ bytes: RawSpan) -> UInt32 {
    var negatives: UInt32 = 0
    for offset in 0..<bytes.byteCount where bytes.littleEndian(at: offset, as: UInt8.self) > 127 { negatives += 1 }
    return UInt32(truncatingIfNeeded: unsigned(bytes)) &- negatives &* 256
  }

  /// Whether `stored` is the sum of the bytes, taken as signed or, as on machines without signed characters, unsigned.
  static func fits(_ stored: UInt32, _ bytes: RawSpan) -> Bool {
    stored == signed(bytes) || stored == UInt32(truncatingIfNeeded: unsigned(bytes))
  }
}
