import Bytes

/// POSIX access control lists for the volume, from the form of setxattr(2).
extension PosixACL {
  /// A list's entries: tag, permissions, and a user's or group's number.
  struct Entry {
    let tag: UInt16
    var permissions: UInt16
    let number: UInt32
  }

  /// Tags of entries that stand for parts of the mode.
  private enum Tag {
    static let owner: UInt16 = 0x01
    static let group: UInt16 = 0x04
    static let mask: UInt16 = 0x10
    static let others: UInt16 = 0x20
  }

  /// The entries of a list as setxattr(2) takes it; nil where it is malformed.
  static func entries(of value: RawSpan) -> [Entry]? {
    guard value.byteCount >= 4, value.byteCount % 8 == 4, value.littleEndian(at: 0, as: UInt32.self) == 2 else {
      return nil
    }
    var result: [Entry] = []
    for place in stride(from: 4, to: value.byteCount, by: 8) {
      let tag: UInt16 = value.littleEndian(at: place)
      let permissions: UInt16 = value.littleEndian(at: place + 2)
      guard named.contains(tag) || plain.contains(tag), permissions <= 7 else { return nil }
      result.append(Entry(tag: tag, permissions: permissions, number: value.littleEndian(at: place + 4)))
    }
    let required = [Tag.owner, Tag.group, Tag.others]
    let isWhole = required.allSatisfy { tag in result.filter { $0.tag == tag }.count == 1 }
    let hasNamed = result.contains { named.contains($0.tag) }
    let masks = result.filter { $0.tag == Tag.mask }.count
    return isWhole && (hasNamed ? masks == 1 : masks <= 1) ? result : nil
  }

  /// The list as the volume keeps it.
  static func packed(_ entries: [Entry]) -> [UInt8] {
    var result: [UInt8] = [1, 0, 0, 0]
    for entry in entries {
      var bytes = [UInt8](repeating: 0, count: named.contains(entry.tag) ? 8 : 4)
      bytes.store(entry.tag, at: 0)
      bytes.store(entry.permissions, at: 2)
      if bytes.count == 8 { bytes.store(entry.number, at: 4) }
      result += bytes
    }
    return result
  }

  /// The nine permission bits that a list stands for.
  static func permissions(of entries: [Entry]) -> UInt16 {
    func bits(_ tag: UInt16) -> UInt16? { entries.first { $0.tag == tag }?.permissions }
    let group = bits(Tag.mask) ?? bits(Tag.group) ?? 0
    return (bits(Tag.owner) ?? 0) << 6 | group << 3 | (bits(Tag.others) ?? 0)
  }

  /// Whether a list says no more than the mode does.
  static func isPlain(_ entries: [Entry]) -> Bool { entries.count == 3 }

  /// The list after the mode was changed, as chmod(2) changes both.
  static func changed(_ entries: [Entry], to mode: UInt16) -> [Entry] {
    let hasMask = entries.contains { $0.tag == Tag.mask }
    return entries.map { entry in
      var entry = entry
      switch entry.tag {
      case Tag.owner: entry.permissions = mode >> 6 & 7
      case Tag.mask: entry.permissions = mode >> 3 & 7
      case Tag.group where !hasMask: entry.permissions = mode >> 3 & 7
      case Tag.others: entry.permissions = mode & 7
      default: break
      }
      return entry
    }
  }
}
