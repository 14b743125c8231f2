extension FileName {
  /// The UTF-16 units of a name that FAT and exFAT can store; throws `FileError`, by the format's name, for others.
  package func dosUnits(for format: String) throws(FileError) -> [UInt16] {
    func refusal(_ why: String) -> FileError {
      FileError(.unsupported("is no name that \(format) can store: it \(why)"), description)
    }
    guard isOrdinary else { throw refusal("is empty, . or .., or contains a slash or NUL") }
    guard let units = utf16 else { throw refusal("is not UTF-8") }
    guard units.count <= 255 else { throw FileError(.nameTooLong, description) }
    let forbidden: Set<UInt16> = Set("\"*/:<>?\\|".utf16)
    if let unit = units.first(where: { $0 < 0x20 || $0 == 0xffff || forbidden.contains($0) }) {
      let isPrintable = 0x20..<0x7f ~= unit
      throw refusal("contains \(isPrintable ? "a \(Character(UnicodeScalar(UInt8(unit))))" : "a control character")")
    }
    guard let last = units.last, last != 0x20, last != 0x2e else { throw refusal("ends in a dot or space") }
    return units
  }
}
