import Bytes
import Filesystems

/// A name of eight and three characters in code page 437, as an entry stores it.
struct ShortName: Hashable, Sendable {
  /// The eleven bytes, padded with spaces; a first byte of 5 stands for 0xE5.
  let bytes: [UInt8]
  /// Windows NT's bits: 8 for a base in lower case, 16 for an extension in lower case.
  let caseBits: UInt8

  /// The name in the 32 bytes of an entry.
  init(_ entry: RawSpan) {
    bytes = entry.slice(0, 11).array
    caseBits = entry.littleEndian(at: ShortEntry.Offset.caseBits)
  }

  init(bytes: [UInt8], caseBits: UInt8 = 0) {
    self.bytes = bytes
    self.caseBits = caseBits
  }

  /// Whether this is the entry of a directory itself or of its parent.
  var isDotOrDotDot: Bool {
    bytes[0] == UInt8(ascii: ".") && (bytes[1] == 0x20 || bytes[1] == UInt8(ascii: "."))
      && bytes[2...].allSatisfy { $0 == 0x20 }
  }

  /// The sum over the eleven bytes that binds long-name entries to this name.
  var checksum: UInt8 { bytes.reduce(0) { sum, byte in ((sum & 1) << 7 | sum >> 1) &+ byte } }

  /// The name with a dot before the extension, in Unicode.
  var utf16: [UInt16] {
    var base = Array(bytes[..<8])
    if base[0] == 0x05 { base[0] = 0xe5 }
    let name = Self.text(base[...], isLower: caseBits & 0x08 != 0)
    let suffix = Self.text(bytes[8...], isLower: caseBits & 0x10 != 0)
    return suffix.isEmpty ? name : name + [UInt16(UInt8(ascii: "."))] + suffix
  }

  /// The eleven bytes as a volume's label; nil where there is nothing but spaces.
  static func label(_ bytes: [UInt8]) -> String? {
    var bytes = bytes
    if bytes.first == 0x05 { bytes[0] = 0xe5 }
    let units = text(bytes.prefix { $0 != 0 }, isLower: false)
    return units.isEmpty ? nil : String(decoding: units, as: UTF16.self)
  }

  private static func text(_ bytes: ArraySlice<UInt8>, isLower: Bool) -> [UInt16] {
    var bytes = bytes
    while bytes.last == 0x20 { bytes.removeLast() }
    return bytes.map { CodePage437.unit(of: isLower ? CodePage437.lowered($0) : $0) }
  }
}
