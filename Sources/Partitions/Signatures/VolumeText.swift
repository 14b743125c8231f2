import Bytes

extension Block {
  /// The label stored in `count` bytes as UTF-8, without what pads it; nil where nothing is left.
  func label(_ position: Int, _ count: Int) -> String? {
    let bytes = slice(position, count).prefix { $0 != 0 }
    return Self.trimmed(String(decoding: bytes, as: UTF8.self))
  }

  /// The label stored in at most `count` UTF-16 units, without what pads it; nil where nothing is left.
  func wideLabel(_ position: Int, _ count: Int, bigEndian: Bool = false) -> String? {
    var units: [UInt16] = []
    for index in 0..<max(count, 0) {
      let place = position + 2 * index
      let unit: UInt16 = bigEndian ? big(place) : little(place)
      if unit == 0 { break }
      units.append(unit)
    }
    return Self.trimmed(String(decoding: units, as: UTF16.self))
  }

  /// Text without white space at its end; nil where nothing is left.
  static func trimmed(_ text: String) -> String? {
    var scalars = Substring(text).unicodeScalars
    while let last = scalars.last, last == " " || 9...13 ~= last.value { scalars.removeLast() }
    return scalars.isEmpty ? nil : String(scalars)
  }

  /// The 16 bytes of a UUID as text in lower case; nil where all are zero.
  func uuid(_ position: Int) -> String? {
    let bytes = slice(position, 16)
    guard bytes.count == 16, bytes.contains(where: { $0 != 0 }) else { return nil }
    let digits = bytes.hexadecimal
    var groups: [Substring] = []
    var rest = digits[...]
    for length in [8, 4, 4, 4, 12] {
      groups.append(rest.prefix(length))
      rest = rest.dropFirst(length)
    }
    return groups.joined(separator: "-")
  }

  /// The four bytes of a FAT volume's serial number as `XXXX-XXXX`; nil where all are zero.
  func serial(_ position: Int) -> String? {
    let serial: UInt32 = little(position)
    guard serial != 0 else { return nil }
    let digits = UInt64(serial).hexadecimal(8).uppercased()
    return digits.prefix(4) + "-" + digits.suffix(4)
  }
}

extension Sequence<UInt8> {
  /// Two hexadecimal digits in lower case for each byte.
  var hexadecimal: String { map { UInt64($0).hexadecimal(2) }.joined() }
}

/// CRC-32C (Castagnoli) with all bits set at first and at the end: "123456789" gives 0xE3069283.
func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
  var crc: UInt32 = ~0
  for byte in bytes { crc = castagnoli[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] ^ (crc >> 8) }
  return ~crc
}

/// The checksums of single bytes.
private let castagnoli: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0x82f6_3b78 : crc >> 1 }
}
