/// Finds the 48-bit magics of bzip2 at any bit position.
@safe
struct BZip2Scanner {
  /// What a magic starts.
  enum Kind { case block, end }

  /// Bits of a block's magic that are compared; fewer find blocks where there are none, for tests.
  private let blockBits: UInt64
  /// For each value of a magic's third byte, or the byte there when it does not start at a byte, whether it can be one.
  private let candidates: [Bool]

  init(blockBits: UInt64 = 48) {
    self.blockBits = blockBits
    var candidates = Array(repeating: blockBits < 24, count: 256)
    for magic in [BZip2Header.blockMagic, BZip2Header.endMagic] {
      for shift in 0..<8 { candidates[Int(magic >> UInt64(24 + shift) & 0xff)] = true }
    }
    self.candidates = candidates
  }

  private func kind(_ bits: UInt64) -> Kind? {
    if bits >> (48 - blockBits) == BZip2Header.blockMagic >> (48 - blockBits) { return .block }
    return bits == BZip2Header.endMagic ? .end : nil
  }

  /// The eight bytes from `index` on, the first one highest; those that there are not are 0.
  @inline(__always)
  private static func word(_ bytes: UnsafeBufferPointer<UInt8>, _ index: Int) -> UInt64 {
    if index + 8 <= bytes.count {
      let raw = UnsafeRawBufferPointer(bytes)
      return UInt64(bigEndian: unsafe raw.loadUnaligned(fromByteOffset: index, as: UInt64.self))
    }
    var word: UInt64 = 0
    for place in index..<index + 8 { word = word << 8 | (place < bytes.count ? UInt64(unsafe bytes[place]) : 0) }
    return word
  }

  /// The 48 bits of `word` from bit `shift`, below 8, on.
  @inline(__always)
  private static func bits(_ word: UInt64, _ shift: Int) -> UInt64 { word >> UInt64(16 - shift) & 0xffff_ffff_ffff }

  /// What starts at bit `bit` of the unused bytes, of which there must be enough.
  func kind(_ input: CompressedInput, at bit: Int) -> Kind? {
    let bytes = unsafe UnsafeBufferPointer(start: input.next, count: input.count)
    return unsafe kind(Self.bits(Self.word(bytes, bit / 8), bit % 8))
  }

  /// The first magic at or after bit `from` that lies wholly inside the unused bytes.
  func find(_ input: CompressedInput, from: Int) -> (kind: Kind, bit: Int)? {
    let count = input.count
    let bytes = unsafe UnsafeBufferPointer(start: input.next, count: count)
    var index = from / 8
    return unsafe candidates.withUnsafeBufferPointer { candidates in
      while index + 6 <= count {
        if unsafe candidates[Int(bytes[index + 2])] {
          let word = unsafe Self.word(bytes, index)
          for shift in 0..<8 {
            guard let kind = kind(Self.bits(word, shift)) else { continue }
            let bit = index * 8 + shift
            if bit >= from && bit + 48 <= count * 8 { return (kind, bit) }
          }
        }
        index += 1
      }
      return nil
    }
  }
}
