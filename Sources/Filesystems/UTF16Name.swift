extension FileName {
  /// The name that a volume stores as UTF-16; unpaired surrogates become three bytes each (WTF-8).
  package init(utf16 units: some Sequence<UInt16>) {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(units.underestimatedCount)
    var waiting: UInt32?
    for unit in units {
      let unit = UInt32(unit)
      if let high = waiting {
        waiting = nil
        if 0xdc00...0xdfff ~= unit {
          Self.encode(0x10000 + (high - 0xd800) << 10 + (unit - 0xdc00), into: &bytes)
          continue
        }
        Self.encode(high, into: &bytes)
      }
      if 0xd800...0xdbff ~= unit { waiting = unit } else { Self.encode(unit, into: &bytes) }
    }
    if let waiting { Self.encode(waiting, into: &bytes) }
    self.init(bytes)
  }

  /// The name in UTF-16, the three bytes of a surrogate as the surrogate; nil where the bytes are not WTF-8.
  package var utf16: [UInt16]? {
    var units: [UInt16] = []
    units.reserveCapacity(bytes.count)
    var index = 0
    while index < bytes.count {
      guard let (code, length) = Self.decode(bytes, at: index) else { return nil }
      index += length
      if code < 0x10000 {
        units.append(UInt16(code))
      } else {
        units.append(UInt16(0xd800 + (code - 0x10000) >> 10))
        units.append(UInt16(0xdc00 + (code - 0x10000) & 0x3ff))
      }
    }
    return units
  }

  /// Appends the one to four bytes that UTF-8 has for `code`, surrogates taken like any other.
  private static func encode(_ code: UInt32, into bytes: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { UInt8(0x80 | (code >> shift) & 0x3f) }
    switch code {
    case 0..<0x80: bytes.append(UInt8(code))
    case 0x80..<0x800: bytes += [UInt8(0xc0 | code >> 6), tail(0)]
    case 0x800..<0x10000: bytes += [UInt8(0xe0 | code >> 12), tail(6), tail(0)]
    default: bytes += [UInt8(0xf0 | (code >> 18) & 7), tail(12), tail(6), tail(0)]
    }
  }

  /// The code point that starts at `index` and its length in bytes; nil for what no encoder makes.
  private static func decode(_ bytes: [UInt8], at index: Int) -> (code: UInt32, length: Int)? {
    let first = UInt32(bytes[index])
    let (length, start, least): (Int, UInt32, UInt32) =
      switch first {
      case 0..<0x80: (1, first, 0)
      case 0xc2..<0xe0: (2, first & 0x1f, 0x80)
      case 0xe0..<0xf0: (3, first & 0x0f, 0x800)
      case 0xf0..<0xf5: (4, first & 0x07, 0x10000)
      default: (0, 0, 0)
      }
    guard length > 0, index + length <= bytes.count else { return nil }
    var code = start
    for byte in bytes[(index + 1)..<(index + length)] {
      guard byte & 0xc0 == 0x80 else { return nil }
      code = code << 6 | UInt32(byte & 0x3f)
    }
    return code >= least && code <= 0x10ffff ? (code, length) : nil
  }
}
