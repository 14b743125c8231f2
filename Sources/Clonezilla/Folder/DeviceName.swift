import Bytes

/// A disk or partition as a folder's lists name it, such as `sda2`, `nvme0n1p2` or `cciss/c0d0p1`.
package struct DeviceName: Hashable, Sendable, CustomStringConvertible {
  /// The name below `/dev`.
  package let name: String

  /// Drivers whose devices have a folder of their own below `/dev`.
  private static let drivers: Set<Substring> = ["cciss", "ida", "rd", "i2o", "ataraid"]

  /// The name in `word`, with or without `/dev/`; nil if it is none that a disk or partition can have.
  package init?(_ word: some StringProtocol) {
    var name = Substring(String(word))
    if name.hasPrefix("/dev/") { name = name.dropFirst(5) }
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 1 || parts.count == 2 && Self.drivers.contains(parts[0]) else { return nil }
    guard name.utf8.count <= 128, parts.allSatisfy(Self.isPlain) else { return nil }
    self.name = String(name)
  }

  private static func isPlain(_ part: Substring) -> Bool {
    guard let first = part.unicodeScalars.first, first != "." else { return false }
    return part.unicodeScalars.allSatisfy { scalar in
      scalar.isASCII
        && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || "._+-".contains(Character(scalar)))
    }
  }

  /// The name that files in the folder start with: without slashes.
  package var fileName: String { name.replacing("/", with: "-") }

  package var description: String { name }

  /// The number of a partition of `disk`; nil for anything else.
  package func number(on disk: DeviceName) -> Int? {
    guard name.hasPrefix(disk.name) else { return nil }
    var rest = name.dropFirst(disk.name.count)
    if disk.name.last?.isNumber == true {
      guard rest.first == "p" else { return nil }
      rest = rest.dropFirst()
    }
    return Self.number(rest)
  }

  /// The partition `number` of the disk of this name.
  package func partition(_ number: Int) -> DeviceName? {
    DeviceName(name + (name.last?.isNumber == true ? "p" : "") + String(number))
  }

  /// The number at the end of a partition's name, whatever its disk is called.
  package var trailingNumber: Int? {
    Self.number(name[(name.lastIndex { !$0.isNumber }.map(name.index(after:)) ?? name.startIndex)...])
  }

  private static func number(_ digits: Substring) -> Int? {
    guard let first = digits.first, first != "0", digits.utf8.count <= 6 else { return nil }
    guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
    return Int(digits)
  }
}
