import Bytes

/// A name as casefolded directories compare it: without the difference of upper and lower case and of equivalent
/// spellings, and without characters that are not shown.
///
/// Near to what the kernel does (NFD of the full case folding of Unicode 12.1): characters that are newer than Unicode
/// 12.1 are folded by this library's Unicode tables and may differ. Names that are not UTF-8 are compared byte by byte.
struct FoldedName {
  /// The folded name, which compares by canonical equivalence; nil for what is not UTF-8.
  private let text: String?
  /// The folded bytes where all are ASCII, so that folding is certain.
  let ascii: [UInt8]?

  init(_ bytes: [UInt8]) {
    if bytes.allSatisfy({ $0 < 0x80 }) {
      ascii = bytes.map(Self.folded)
    } else {
      ascii = nil
    }
    text = String(validating: bytes, as: UTF8.self).map(Self.folded)
  }

  /// Whether a name in the directory is this one.
  func matches(_ bytes: RawSpan) -> Bool {
    var isASCII = true
    var isEqual = ascii?.count == bytes.byteCount
    for index in 0..<bytes.byteCount {
      let byte = bytes.littleEndian(at: index, as: UInt8.self)
      isASCII = isASCII && byte < 0x80
      if isEqual, let ascii { isEqual = ascii[index] == Self.folded(byte) }
    }
    if ascii != nil, isASCII { return isEqual }
    guard let text, let other = String(validating: bytes.array, as: UTF8.self) else { return false }
    return text == Self.folded(other)
  }

  private static func folded(_ byte: UInt8) -> UInt8 { 0x41...0x5a ~= byte ? byte | 0x20 : byte }

  private static func folded(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars where !scalar.properties.isDefaultIgnorableCodePoint {
      // The dotless i has an upper case that it does not fold with.
      guard scalar != "\u{131}" else {
        result.append(scalar)
        continue
      }
      for upper in scalar.properties.uppercaseMapping.unicodeScalars {
        result.append(contentsOf: upper.properties.lowercaseMapping.unicodeScalars)
      }
    }
    return String(result)
  }
}
