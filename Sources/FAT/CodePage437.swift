/// The characters of the first PC's code page, which short names and labels are taken to be in.
enum CodePage437 {
  /// The characters from 0x80 to 0xff (unicode.org, VENDORS/MICSFT/PC/CP437.TXT).
  private static let upperHalf: [UInt16] = Array(
    """
    ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»\
    ░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀\
    αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}
    """.utf16)

  /// Small letters and their capitals of the upper half.
  private static let capitals: [UInt8: UInt8] = [
    0x80: 0x87, 0x8e: 0x84, 0x8f: 0x86, 0x90: 0x82, 0x92: 0x91, 0x99: 0x94, 0x9a: 0x81, 0xa5: 0xa4,
    0xe4: 0xe5, 0xe8: 0xed,
  ]

  /// The character's UTF-16 unit.
  static func unit(of byte: UInt8) -> UInt16 { byte < 0x80 ? UInt16(byte) : upperHalf[Int(byte) - 0x80] }

  /// The byte of a UTF-16 unit; nil where the code page has none.
  static func byte(of unit: UInt16) -> UInt8? {
    if unit < 0x80 { return UInt8(unit) }
    return upperHalf.firstIndex(of: unit).map { UInt8($0 + 0x80) }
  }

  /// The small letter of a capital, or the byte itself.
  static func lowered(_ byte: UInt8) -> UInt8 {
    0x41...0x5a ~= byte ? byte + 0x20 : capitals[byte] ?? byte
  }
}
