import Bytes

/// Version 0001's checksum: CRC-32's register, fed each block's first byte as many times as the block has bytes.
///
/// Those steps are one affine map of the register for a given byte, kept as tables, so that no block is walked.
package final class FirstByteCRC {
  /// The register, all ones at the start of an image.
  package var register: UInt32 = ~0
  private let blockSize: Int
  /// Bytes of the block under way that have been seen.
  private var seen = 0
  /// What a block does to each byte of the register: four tables of 256.
  private var shift: [UInt32]
  /// What a block of each byte adds.
  private var addition: [UInt32]

  /// For blocks of `blockSize` bytes, at least 1.
  package init(blockSize: Int) {
    self.blockSize = blockSize
    // One step: r' = table[(r ^ byte) & 0xff] ^ r >> 8 = step(r) ^ step(byte), which is linear in both.
    var power = (0..<32).map { Self.step(1 << UInt32($0)) }
    var result = (0..<32).map { UInt32(1) << UInt32($0) }
    // The sums step^0 + … + step^(n-1), for n = the bits of the count so far, by doubling.
    var sum = [UInt32](repeating: 0, count: 32)
    var powerSum = (0..<32).map { UInt32(1) << UInt32($0) }
    var rest = blockSize
    while rest > 0 {
      if rest & 1 == 1 {
        sum = (0..<32).map { sum[$0] ^ Self.apply(powerSum, result[$0]) }
        result = result.map { Self.apply(power, $0) }
      }
      powerSum = powerSum.map { $0 ^ Self.apply(power, $0) }
      power = power.map { Self.apply(power, $0) }
      rest >>= 1
    }
    shift = (0..<1024).map { Self.apply(result, UInt32($0 & 0xff) << UInt32($0 >> 8 * 8)) }
    addition = (0..<256).map { Self.apply(sum, Self.step(UInt32($0))) }
  }

  /// Goes on with `bytes`, the blocks in any pieces.
  package func update(_ bytes: RawSpan) {
    var offset = 0
    while offset < bytes.byteCount {
      if seen == 0 { feed(bytes.littleEndian(at: offset)) }
      let count = min(blockSize - seen, bytes.byteCount - offset)
      offset += count
      seen = seen + count == blockSize ? 0 : seen + count
    }
  }

  /// Goes on with one block whose first byte is `byte`.
  package func feed(_ byte: UInt8) {
    let r = register
    register =
      shift[Int(r & 0xff)] ^ shift[256 + Int(r >> 8 & 0xff)] ^ shift[512 + Int(r >> 16 & 0xff)]
      ^ shift[768 + Int(r >> 24)] ^ addition[Int(byte)]
  }

  /// The register after a zero byte.
  private static func step(_ register: UInt32) -> UInt32 {
    var r = register
    for _ in 0..<8 { r = r & 1 == 1 ? r >> 1 ^ 0xedb8_8320 : r >> 1 }
    return r
  }

  /// The linear map with these images of the unit vectors, applied to `vector`.
  private static func apply(_ map: [UInt32], _ vector: UInt32) -> UInt32 {
    var result: UInt32 = 0
    for bit in 0..<32 where vector >> UInt32(bit) & 1 == 1 { result ^= map[bit] }
    return result
  }
}
