import Bytes

/// A bitmap's bytes, bit 0 being the lowest bit of byte 0.
extension [UInt8] {
  /// Sets bits to one.
  mutating func setBits(_ range: Range<Int>) { forEachMask(range) { bytes, index, mask in bytes[index] |= mask } }

  /// Sets bits to zero.
  mutating func clearBits(_ range: Range<Int>) { forEachMask(range) { bytes, index, mask in bytes[index] &= ~mask } }

  /// Whether all bits of a range have one value.
  func areAll(_ value: Bool, _ range: Range<Int>) -> Bool {
    guard range.upperBound <= count * 8 else { return false }
    return range.isEmpty || Bitmap(raw, count: count * 8).next(!value, from: range.lowerBound) >= range.upperBound
  }

  private mutating func forEachMask(_ range: Range<Int>, _ body: (inout [UInt8], Int, UInt8) -> Void) {
    var bit = range.lowerBound
    while bit < range.upperBound {
      let last = Swift.min(range.upperBound, (bit / 8 + 1) * 8)
      let mask = UInt8(truncatingIfNeeded: (1 << (last - bit) - 1) << (bit % 8))
      body(&self, bit / 8, mask)
      bit = last
    }
  }
}
