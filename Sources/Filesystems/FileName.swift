import Bytes

/// A name in a directory, or a symbolic link's target: bytes without meaning beyond `/` and NUL.
///
/// Volumes that store UTF-16 (FAT's long names, exFAT, NTFS) give UTF-8; an unpaired surrogate becomes the three bytes
/// that UTF-8 would have for it (WTF-8), so that every name survives a round trip.
package struct FileName: Hashable, Sendable {
  package let bytes: [UInt8]

  package init(_ bytes: [UInt8]) { self.bytes = bytes }

  package init(_ text: String) { bytes = Array(text.utf8) }

  /// The name as text; nil where it is not UTF-8.
  package var text: String? { String(validating: bytes, as: UTF8.self) }

  package static let current = FileName(".")
  package static let parent = FileName("..")

  /// Whether a directory may hold an entry of this name: not empty, not `.` or `..`, without `/` and NUL.
  package var isOrdinary: Bool {
    !bytes.isEmpty && self != .current && self != .parent && !bytes.contains(0) && !bytes.contains(UInt8(ascii: "/"))
  }
}

extension FileName: CustomStringConvertible, ExpressibleByStringLiteral {
  package init(stringLiteral text: String) { self.init(text) }

  /// The name for people: control characters and bytes that are not UTF-8 as `\x…`.
  package var description: String {
    if let text { return text.printable }
    return bytes.map { byte in
      let digits = String(byte, radix: 16)
      return 0x20..<0x7f ~= byte
        ? String(UnicodeScalar(byte)) : "\\x" + (byte < 16 ? "0" : "") + digits
    }.joined()
  }
}

extension FileName: Comparable {
  package static func < (left: FileName, right: FileName) -> Bool {
    left.bytes.lexicographicallyPrecedes(right.bytes)
  }
}
