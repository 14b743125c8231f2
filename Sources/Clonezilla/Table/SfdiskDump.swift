package import Bytes

/// What `sfdisk --dump` wrote of a disk's partition table (`*-pt.sf`), in the form of today or before util-linux 2.26.
package struct SfdiskDump: Sendable, Hashable {
  /// One line: a partition.
  package struct Entry: Sendable, Hashable {
    package var number = 0
    /// First sector and size in sectors.
    package var start: UInt64 = 0
    package var count: UInt64 = 0
    /// A GUID, or an MBR type in hexadecimal.
    package var type = ""
    package var uuid: String?
    package var label: String?
    package var attributes: String?
    package var isBootable = false
  }

  /// `dos` or `gpt`; nil in the old form, which says neither.
  package private(set) var label: String?
  /// The disk's GUID or signature as the dump writes it.
  package private(set) var identifier: String?
  package private(set) var sectorSize: Int?
  /// The first and last sector that partitions may use, for a GPT.
  package private(set) var firstUsable: UInt64?
  package private(set) var lastUsable: UInt64?
  /// How many entries a GPT has room for, where it is not 128.
  package private(set) var tableLength: UInt32?
  package private(set) var entries: [Entry] = []

  /// More partitions than any disk in use has.
  static let mostEntries = 1024

  /// Parses a dump; throws with the line that is none.
  package init(parsing text: String) throws(LayoutError) {
    var numbers: Set<Int> = []
    for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
      let line = line.drop { $0 == " " || $0 == "\t" }
      if line.isEmpty || line.hasPrefix("#") || line.hasPrefix("Warning") { continue }
      guard line.hasPrefix("/") else {
        try header(line, number: index + 1)
        continue
      }
      let entry = try Self.entry(line, number: index + 1)
      guard entry.count > 0 else { continue }
      guard numbers.insert(entry.number).inserted else {
        throw LayoutError("line \(index + 1) describes partition \(entry.number) a second time")
      }
      guard entries.count < Self.mostEntries else {
        throw LayoutError("it has more than \(Self.mostEntries) partitions")
      }
      entries.append(entry)
    }
  }

  private mutating func header(_ line: Substring, number: Int) throws(LayoutError) {
    guard let colon = line.firstIndex(of: ":") else {
      throw LayoutError("line \(number) is neither a header of sfdisk(8)'s dump nor a partition")
    }
    let value = line[line.index(after: colon)...].trimmed
    func count() throws(LayoutError) -> UInt64 {
      guard let found = UInt64(value) else { throw LayoutError("line \(number) has no number where one should be") }
      return found
    }
    switch line[..<colon].trimmed {
    case "label": label = String(value)
    case "label-id": identifier = String(value)
    case "sector-size":
      let size = try count()
      guard [512, 1024, 2048, 4096].contains(size) else {
        throw LayoutError("line \(number) says that sectors have \(size) bytes, which none have")
      }
      sectorSize = Int(size)
    case "first-lba": firstUsable = try count()
    case "last-lba": lastUsable = try count()
    case "table-length": tableLength = UInt32(exactly: try count())
    default: break
    }
  }

  /// A partition's line: `/dev/sda1 : start= 2048, size= 81920, type=83, bootable`.
  private static func entry(_ line: Substring, number: Int) throws(LayoutError) -> Entry {
    let wrong = LayoutError("line \(number) is no partition as sfdisk(8) writes it")
    // Some devices' names have colons, none has a space.
    let node = line.prefix { $0 != " " && $0 != "\t" }
    let rest = line.dropFirst(node.count).drop { $0 == " " || $0 == "\t" }
    guard rest.first == ":", let found = DeviceName(node)?.trailingNumber else { throw wrong }
    var entry = Entry()
    entry.number = found
    var hasStart = false
    var hasSize = false
    for field in fields(rest.dropFirst()) {
      let parts = field.split(separator: "=", maxSplits: 1)
      guard let key = parts.first?.trimmed else { continue }
      let value = parts.count > 1 ? parts[1].trimmed : ""
      switch key {
      case "start":
        guard let start = UInt64(value) else { throw wrong }
        (entry.start, hasStart) = (start, true)
      case "size":
        guard let size = UInt64(value) else { throw wrong }
        (entry.count, hasSize) = (size, true)
      case "type", "Id": entry.type = String(value)
      case "uuid": entry.uuid = unquoted(value)
      case "name": entry.label = unquoted(value)
      case "attrs": entry.attributes = unquoted(value)
      case "bootable": entry.isBootable = true
      default: break
      }
    }
    guard hasStart, hasSize, entry.count == 0 || entry.start > 0 && entry.start.adding(entry.count) != nil else {
      throw wrong
    }
    return entry
  }

  /// The fields between commas that are not in quotes.
  private static func fields(_ text: Substring) -> [Substring] {
    var isQuoted = false
    return text.split { character in
      if character == "\"" { isQuoted.toggle() }
      return character == "," && !isQuoted
    }
  }

  /// A value without its quotes, `\x22` and the like put back.
  private static func unquoted(_ value: Substring) -> String {
    var value = value
    if value.first == "\"" { value = value.dropFirst() }
    if value.last == "\"" { value = value.dropLast() }
    var bytes: [UInt8] = []
    var rest = Array(value.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"), rest.count >= 3,
        let code = UInt8(String(decoding: rest.dropFirst().prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(code)
        rest = rest.dropFirst(3)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Substring {
  /// The text without white space around it.
  var trimmed: Substring {
    var text = drop(while: \.isWhitespace)
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
