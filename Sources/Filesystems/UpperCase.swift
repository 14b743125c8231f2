/// The upper case of UTF-16 units by Unicode's simple mapping, for volumes that bring no table of their own.
package enum UpperCase {
  /// The upper case of `unit`, or `unit` where it has none of one unit that leads back to it (`ß`, `ı`, `µ`).
  package static func of(_ unit: UInt16) -> UInt16 {
    if unit < 0x80 { return 0x61...0x7a ~= unit ? unit - 0x20 : unit }
    guard let scalar = Unicode.Scalar(unit), scalar.properties.changesWhenUppercased else { return unit }
    guard let upper = only(scalar.properties.uppercaseMapping), let result = UInt16(exactly: upper.value),
      only(upper.properties.lowercaseMapping) == scalar
    else { return unit }
    return result
  }

  /// The text's scalar, if it has just one.
  private static func only(_ text: String) -> Unicode.Scalar? {
    text.unicodeScalars.count == 1 ? text.unicodeScalars.first : nil
  }
}
