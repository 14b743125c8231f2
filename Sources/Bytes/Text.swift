extension RawSpan {
  /// The bytes before the first NUL (or all) as text; bytes that are not UTF-8 become U+FFFD.
  package var text: String {
    var bytes: [UInt8] = []
    for offset in 0..<byteCount {
      let byte = unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
      if byte == 0 { break }
      bytes.append(byte)
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// A copy of the bytes.
  package var array: [UInt8] { unsafe withUnsafeBytes { unsafe [UInt8]($0) } }
}

extension String {
  /// The text with control characters shown as `\x…`, so that names out of an image cannot steer a terminal.
  package var printable: String {
    guard unicodeScalars.contains(where: Self.isControl) else { return self }
    var result = ""
    for scalar in unicodeScalars {
      if Self.isControl(scalar) {
        result += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || (0x202a...0x202e).contains(scalar.value)
      || (0x2066...0x2069).contains(scalar.value)
  }
}
