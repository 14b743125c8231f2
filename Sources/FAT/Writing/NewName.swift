import Filesystems

/// A name that a directory is to get, in the form in which FAT stores it.
struct NewName {
  let units: [UInt16]
  /// The name as names are compared.
  let folded: [UInt16]
  /// What becomes of it in eight and three characters.
  let draft: ShortNameDraft

  /// Throws `FileError` where FAT cannot store the name.
  init(_ name: FileName) throws(FileError) {
    units = try name.dosUnits(for: "FAT")
    folded = WantedName.fold(units)
    draft = ShortNameDraft(of: units)
  }

  /// The parts of the long name, the last one, which lies first, first.
  func longEntries(for short: ShortName) -> [LongNameEntry] {
    let count = (units.count + LongNameEntry.unitCount - 1) / LongNameEntry.unitCount
    var padded = units
    if padded.count < count * LongNameEntry.unitCount { padded.append(0) }
    while padded.count < count * LongNameEntry.unitCount { padded.append(0xffff) }
    return (0..<count).reversed().map { index in
      let start = index * LongNameEntry.unitCount
      return LongNameEntry(
        order: UInt8(index + 1) | (index == count - 1 ? LongNameEntry.lastBit : 0), checksum: short.checksum,
        units: Array(padded[start..<(start + LongNameEntry.unitCount)]))
    }
  }
}

/// A name's base and extension in the characters that short names have, before it is made unique.
struct ShortNameDraft: Hashable {
  /// 1 to 8 bytes.
  let base: [UInt8]
  /// At most 3 bytes.
  let suffix: [UInt8]
  /// Whether nothing was left out or replaced.
  let isExact: Bool
  /// Windows NT's bits, if base and extension are each in one case and in ASCII; else only a long name tells it.
  let caseBits: UInt8?

  /// What Windows and Linux make of a long name, which must have a character that is neither dot nor space.
  init(of units: [UInt16]) {
    let dot = UInt16(UInt8(ascii: "."))
    // A name that starts with dots and has no others is all base.
    let start = units.firstIndex { $0 != dot && $0 != 0x20 } ?? 0
    let split = units.lastIndex(of: dot).flatMap { $0 > start ? $0 : nil }
    let base = Part(units[..<(split ?? units.count)], limit: 8)
    let suffix = Part(split.map { units[($0 + 1)...] } ?? [], limit: 3)
    self.base = base.bytes
    self.suffix = suffix.bytes
    isExact = base.isExact && suffix.isExact
    caseBits =
      isExact && base.isOneCase && suffix.isOneCase
      ? (base.hasLower ? 0x08 : 0) | (suffix.hasLower ? 0x10 : 0) : nil
  }

  private struct Part {
    var bytes: [UInt8] = []
    var isExact = true
    var hasLower = false
    var hasUpper = false
    var hasOther = false
    var isOneCase: Bool { !hasOther && !(hasLower && hasUpper) }

    init(_ units: ArraySlice<UInt16>, limit: Int) {
      for unit in units {
        guard unit != 0x20, unit != 0x2e else {
          isExact = false
          continue
        }
        guard bytes.count < limit else {
          isExact = false
          return
        }
        take(unit)
      }
    }

    private mutating func take(_ unit: UInt16) {
      let upper = UpperCase.of(unit)
      guard !ShortNameDraft.replaced.contains(unit), let byte = CodePage437.byte(of: upper) else {
        bytes.append(UInt8(ascii: "_"))
        isExact = false
        return
      }
      bytes.append(byte)
      if unit >= 0x7f {
        hasOther = true
      } else if unit != upper {
        hasLower = true
      } else if 0x41...0x5a ~= unit {
        hasUpper = true
      }
    }
  }

  /// Characters that long names may have and short ones may not.
  private static let replaced = Set("+,;=[]".utf16)

  /// The name without a number.
  var plain: ShortName { Self.name(base, suffix, caseBits: 0) }

  /// The name with a number at the base's end: `BASIS~1`.
  func numbered(_ number: Int) -> ShortName {
    let tail = Array("~\(number)".utf8)
    return Self.name(Array(base.prefix(8 - tail.count)) + tail, suffix, caseBits: 0)
  }

  /// The name in one case, without a long one beside it.
  func plain(caseBits: UInt8) -> ShortName { Self.name(base, suffix, caseBits: caseBits) }

  private static func name(_ base: [UInt8], _ suffix: [UInt8], caseBits: UInt8) -> ShortName {
    var bytes = base + [UInt8](repeating: 0x20, count: 8 - base.count)
    bytes += suffix + [UInt8](repeating: 0x20, count: 3 - suffix.count)
    if bytes[0] == 0xe5 { bytes[0] = 0x05 }
    return ShortName(bytes: bytes, caseBits: caseBits)
  }
}
