import Bytes

/// The CRC-32 of bzip2: zlib's, but with the highest bit of a byte first.
@safe
final class BZip2Checksum {
  private static let unit = 4096

  /// Bytes with their bits turned round, for which zlib's CRC is this one turned round.
  private let turned: UnsafeMutableRawPointer
  private var crc = CRC32()

  init() { unsafe turned = .allocate(byteCount: Self.unit, alignment: 64) }

  deinit { unsafe turned.deallocate() }

  /// The checksum of the bytes so far.
  var value: UInt32 { Self.turn(crc.value) }

  func reset() { crc = CRC32() }

  func update(_ bytes: UnsafeRawBufferPointer) {
    var offset = 0
    while offset < bytes.count {
      let count = min(Self.unit, bytes.count - offset)
      unsafe turn(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count]))
      crc.update(unsafe RawSpan(_unsafeStart: turned, byteCount: count))
      offset += count
    }
  }

  private func turn(_ bytes: UnsafeRawBufferPointer) {
    var index = 0
    while index + 16 <= bytes.count {
      let word = unsafe bytes.loadUnaligned(fromByteOffset: index, as: SIMD2<UInt64>.self)
      unsafe turned.storeBytes(of: Self.turnBytes(word), toByteOffset: index, as: SIMD2<UInt64>.self)
      index += 16
    }
    while index < bytes.count {
      let word = SIMD2(UInt64(unsafe bytes[index]), 0)
      unsafe turned.storeBytes(of: UInt8(Self.turnBytes(word).x), toByteOffset: index, as: UInt8.self)
      index += 1
    }
  }

  /// Every byte with its bits turned round.
  @inline(__always)
  private static func turnBytes(_ word: SIMD2<UInt64>) -> SIMD2<UInt64> {
    func swap(_ word: SIMD2<UInt64>, _ shift: UInt64, _ low: UInt64) -> SIMD2<UInt64> {
      let (shift, low) = (SIMD2(repeating: shift), SIMD2(repeating: low))
      return (word & low) &<< shift | word &>> shift & low
    }
    return swap(swap(swap(word, 4, 0x0f0f_0f0f_0f0f_0f0f), 2, 0x3333_3333_3333_3333), 1, 0x5555_5555_5555_5555)
  }

  private static func turn(_ value: UInt32) -> UInt32 {
    var (value, turned) = (value, UInt32(0))
    for _ in 0..<32 {
      turned = turned << 1 | value & 1
      value >>= 1
    }
    return turned
  }
}
