/// Backslashes in paths and texts of patches.
package enum Escapes {
  private static let backslash = UInt8(ascii: "\\")

  /// A path: `\\` is a backslash, `\=` an equals sign, `\x` and two hexadecimal digits a byte; any other backslash stands
  /// for itself.
  package static func path(_ bytes: [UInt8]) -> [UInt8] {
    undo(bytes) { rest in
      switch rest.first {
      case backslash?, UInt8(ascii: "=")?: (rest[rest.startIndex], 1)
      default: byte(rest)
      }
    }
  }

  /// A text: `\n`, `\t`, `\r`, `\0`, `\\`, and `\x` and two hexadecimal digits for a byte; throws for any other backslash.
  package static func text(_ text: String) throws(PatchSyntaxError) -> [UInt8] {
    var isWrong = false
    let bytes = undo(Array(text.utf8)) { rest in
      switch rest.first {
      case UInt8(ascii: "n")?: return (0x0a, 1)
      case UInt8(ascii: "t")?: return (0x09, 1)
      case UInt8(ascii: "r")?: return (0x0d, 1)
      case UInt8(ascii: "0")?: return (0, 1)
      case backslash?: return (backslash, 1)
      default:
        if let found = byte(rest) { return found }
        isWrong = true
        return nil
      }
    }
    guard !isWrong else {
      throw PatchSyntaxError(#"'\#(text)': a backslash is written \\, and there are \n \t \r \0 and \xNN"#)
    }
    return bytes
  }

  /// `PATH=VALUE` at the first equals sign without a backslash before it; nil for the value where there is none.
  package static func split(_ text: String) -> (path: String, value: String?) {
    var isEscaped = false
    for index in text.utf8.indices {
      let byte = text.utf8[index]
      if isEscaped {
        isEscaped = false
      } else if byte == backslash {
        isEscaped = true
      } else if byte == UInt8(ascii: "=") {
        return (String(text[..<index]), String(text[text.utf8.index(after: index)...]))
      }
    }
    return (text, nil)
  }

  /// The byte that `x` and two digits stand for.
  private static func byte(_ rest: ArraySlice<UInt8>) -> (byte: UInt8, length: Int)? {
    guard rest.first == UInt8(ascii: "x"), rest.count >= 3 else { return nil }
    let digits = rest.dropFirst().prefix(2)
    guard digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
      let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    else { return nil }
    return (value, 3)
  }

  /// Replaces each backslash that `meaning` knows with what follows it.
  private static func undo(
    _ bytes: [UInt8], _ meaning: (ArraySlice<UInt8>) -> (byte: UInt8, length: Int)?
  ) -> [UInt8] {
    var result: [UInt8] = []
    var rest = bytes[...]
    while let byte = rest.popFirst() {
      if byte == backslash, let found = meaning(rest) {
        result.append(found.byte)
        rest = rest.dropFirst(found.length)
      } else {
        result.append(byte)
      }
    }
    return result
  }
}
