/// The order of the suffixes that GNU split gives to its pieces.
///
/// With a growing suffix (the default) the first is never all of the highest digit: `aa … yz`, then `zaaa … zyzz`, then
/// `zzaaaa …`; with `-d`, `00 … 89`, `9000 … 9899`. With a length of its own (`-a 3`) it is a plain number.
package struct SplitSuffix: Hashable, Sendable {
  /// The digits that suffixes are made of.
  package enum Alphabet: Hashable, Sendable {
    case letters, digits

    fileprivate var first: UInt8 { self == .letters ? UInt8(ascii: "a") : UInt8(ascii: "0") }
    fileprivate var base: Int { self == .letters ? 26 : 10 }
    fileprivate func value(_ byte: UInt8) -> Int? {
      byte >= first && Int(byte - first) < base ? Int(byte - first) : nil
    }
  }

  package let alphabet: Alphabet
  /// The suffix's length; nil where it grows from 2.
  package let length: Int?

  package init(_ alphabet: Alphabet, length: Int?) {
    self.alphabet = alphabet
    self.length = length
  }

  /// The alphabet that `suffix` is written in, if it has at least two digits of one (and at most eight).
  package static func alphabet(of suffix: some StringProtocol) -> Alphabet? {
    let bytes = suffix.utf8
    guard (2...8).contains(bytes.count) else { return nil }
    for alphabet in [Alphabet.letters, .digits] where bytes.allSatisfy({ alphabet.value($0) != nil }) {
      return alphabet
    }
    return nil
  }

  /// Which piece, from 0, has `suffix`; nil if none has.
  package func index(of suffix: some StringProtocol) -> Int? {
    var values: [Int] = []
    for byte in suffix.utf8 {
      guard let value = alphabet.value(byte), values.count < 12 else { return nil }
      values.append(value)
    }
    if let length { return values.count == length ? number(values[...]) : nil }
    let run = values.prefix { $0 == alphabet.base - 1 }.count
    guard values.count == 2 * run + 2 else { return nil }
    return grown(before: run) + number(values[run...])
  }

  /// The suffix of piece `index`.
  package func suffix(_ index: Int) -> String {
    if let length { return text(index, length) }
    var run = 0
    while run < 4 && index >= grown(before: run + 1) { run += 1 }
    let highest = text(alphabet.base - 1, 1)
    return String(repeating: highest, count: run) + text(index - grown(before: run), run + 2)
  }

  /// How many pieces have fewer than `run` of the highest digit in front.
  private func grown(before run: Int) -> Int {
    var total = 0
    var power = alphabet.base
    for _ in 0..<run {
      total += (alphabet.base - 1) * power
      power *= alphabet.base
    }
    return total
  }

  private func number(_ values: ArraySlice<Int>) -> Int { values.reduce(0) { $0 * alphabet.base + $1 } }

  private func text(_ number: Int, _ length: Int) -> String {
    var rest = number
    var bytes: [UInt8] = []
    for _ in 0..<length {
      bytes.append(alphabet.first + UInt8(rest % alphabet.base))
      rest /= alphabet.base
    }
    return String(decoding: bytes.reversed(), as: UTF8.self)
  }
}

/// The pieces of a split file by name, found from any one of them among the names in their folder.
package struct SplitNames: Equatable {
  /// The pieces' names in order.
  package let names: [String]
  /// The first name that is missing, where later pieces are there.
  package let missing: String?

  /// Extensions that are not suffixes of pieces, though they are spelt like some.
  private static let extensions: Set<String> = [
    "gz", "xz", "lz", "bz", "zst", "lzo", "lrz", "zip", "img", "iso", "raw", "bin", "dd", "md", "sum", "txt", "log",
    "json", "info", "list", "bmap", "sig", "asc", "sha", "qcow", "vmdk", "vdi", "vhd", "vhdx", "hdd", "dmg", "wic",
    "lzma", "lzip", "gzip", "tmp", "part", "bak", "old", "new", "conf", "toml", "yaml", "sh", "py", "image", "disk",
    "uncomp", "ext", "btrfs", "xfs", "fat", "ntfs", "exfat", "sda", "sdb", "vda", "hda",
  ]

  /// The set that the file called `name` is a piece of, `folder` being the names beside it; nil if it is a file of its
  /// own.
  package init?(of name: String, among folder: Set<String>) {
    let divisions = Self.divisions(name)
    let found =
      divisions.lazy.compactMap { Self.set($0.prefix, $0.suffix, folder) }.first
      ?? divisions.lazy.compactMap { Self.headless($0.prefix, $0.suffix, folder) }.first
    guard let found else { return nil }
    self = found
  }

  private init(names: [String], missing: String?) {
    self.names = names
    self.missing = missing
  }

  /// The ways to read `name` as prefix and suffix, the most telling first.
  private static func divisions(_ name: String) -> [(prefix: String, suffix: String)] {
    var found: [(String, String)] = []
    if let mark = name.lastIndex(where: { ".-_".contains($0) }) {
      found.append((String(name[...mark]), String(name[name.index(after: mark)...])))
    } else if name.hasPrefix("x") {
      // split's own prefix.
      found.append(("x", String(name.dropFirst())))
    }
    // The longest first: `diskzaaa` is a later piece of `disk` and not the first of `diskza`.
    for length in [8, 6, 4, 3, 2] where name.utf8.count > length {
      found.append((String(name.dropLast(length)), String(name.suffix(length))))
    }
    // Numbers end many names; only after a dot are they taken for split's.
    return found.filter { prefix, suffix in
      let alphabet = SplitSuffix.alphabet(of: suffix)
      return alphabet == .letters || alphabet == .digits && prefix.last == "."
    }
  }

  /// The set without a first piece that `suffix` seems to belong to: it has a neighbour, or little else is named so.
  private static func headless(_ prefix: String, _ suffix: String, _ folder: Set<String>) -> SplitNames? {
    let isMarked = prefix.last.map { ".-_".contains($0) } ?? false || prefix == "x"
    guard isMarked, suffix.utf8.count <= 4, !extensions.contains(suffix) else { return nil }
    guard let alphabet = SplitSuffix.alphabet(of: suffix) else { return nil }
    let scheme = scheme(alphabet, prefix, suffix, folder)
    guard let own = scheme.index(of: suffix), own > 0 else { return nil }
    func hasPiece(_ index: Int) -> Bool { folder.contains(prefix + scheme.suffix(index)) }
    guard hasPiece(own - 1) || hasPiece(own + 1) || alphabet == .letters && own < 26 else { return nil }
    return SplitNames(names: [], missing: prefix + scheme.suffix(0))
  }

  /// The set of `prefix` that `suffix` belongs to, if its first piece is there.
  private static func set(_ prefix: String, _ suffix: String, _ folder: Set<String>) -> SplitNames? {
    guard let alphabet = SplitSuffix.alphabet(of: suffix) else { return nil }
    let scheme = scheme(alphabet, prefix, suffix, folder)
    guard let own = scheme.index(of: suffix) else { return nil }
    func name(_ index: Int) -> String { prefix + scheme.suffix(index) }

    guard folder.contains(name(0)) else { return nil }
    var names: [String] = []
    while folder.contains(name(names.count)) { names.append(name(names.count)) }
    let known = Set(names)
    let hasLater = folder.contains { candidate in
      guard !known.contains(candidate), candidate.hasPrefix(prefix) else { return false }
      let suffix = String(candidate.dropFirst(prefix.count))
      guard !extensions.contains(suffix), SplitSuffix.alphabet(of: suffix) == alphabet else { return false }
      return scheme.index(of: suffix).map { $0 > names.count } ?? false
    }
    // Behind all the pieces before it even `gz` is the 182nd piece.
    guard own < names.count || hasLater && !extensions.contains(suffix) else { return nil }
    return SplitNames(names: names, missing: hasLater ? name(names.count) : nil)
  }

  /// The order that the suffixes of `prefix` are in, `suffix` being one of them.
  private static func scheme(
    _ alphabet: SplitSuffix.Alphabet, _ prefix: String, _ suffix: String, _ folder: Set<String>
  ) -> SplitSuffix {
    let growing = SplitSuffix(alphabet, length: nil)
    let length = suffix.utf8.count
    let fixed = SplitSuffix(alphabet, length: length)
    if length == 2 {
      // A growing suffix never starts with the highest digit alone.
      let tail = alphabet == .letters ? "za" : "90"
      return folder.contains(prefix + tail) || growing.index(of: suffix) == nil ? fixed : growing
    }
    let isGrown = growing.index(of: suffix) != nil && folder.contains(prefix + growing.suffix(0))
    return isGrown ? growing : fixed
  }
}
