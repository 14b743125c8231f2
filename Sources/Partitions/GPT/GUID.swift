import Bytes

/// A GUID as GPT stores it: the first three groups little-endian, the last two big-endian.
package struct GUID: Hashable, Sendable, CustomStringConvertible {
  private let first: UInt32
  private let second: UInt16
  private let third: UInt16
  private let rest: UInt64

  /// The GUID stored at `offset`; 16 bytes must be there.
  init(_ bytes: RawSpan, at offset: Int) {
    first = bytes.littleEndian(at: offset)
    second = bytes.littleEndian(at: offset + 4)
    third = bytes.littleEndian(at: offset + 6)
    rest = bytes.bigEndian(at: offset + 8)
  }

  /// Whether all bits are zero, which marks an entry that is not in use.
  package var isZero: Bool { first == 0 && second == 0 && third == 0 && rest == 0 }

  /// The usual text in upper case, such as `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
  package var description: String {
    let groups = [
      UInt64(first).hexadecimal(8), UInt64(second).hexadecimal(4), UInt64(third).hexadecimal(4),
      (rest >> 48).hexadecimal(4), (rest & 0xffff_ffff_ffff).hexadecimal(12),
    ]
    return groups.joined(separator: "-").uppercased()
  }
}

extension UInt64 {
  /// At least `digits` hexadecimal digits in lower case.
  func hexadecimal(_ digits: Int) -> String {
    let text = String(self, radix: 16)
    return String(repeating: "0", count: text.count < digits ? digits - text.count : 0) + text
  }
}
