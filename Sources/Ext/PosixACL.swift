import Bytes

/// POSIX access control lists, which the volume keeps shorter than getxattr(2) shows them.
enum PosixACL {
  /// Tags of entries that bear a user's or group's number: a named user, a named group.
  static let named: Set<UInt16> = [0x02, 0x08]
  /// Tags of the others: owner, owning group, mask, everybody else.
  static let plain: Set<UInt16> = [0x01, 0x04, 0x10, 0x20]

  /// The list in the form of getxattr(2) (version 2, eight bytes an entry); nil where the stored one is malformed.
  static func unpacked(_ stored: RawSpan) -> [UInt8]? {
    guard stored.byteCount >= 4, stored.littleEndian(at: 0, as: UInt32.self) == 1 else { return nil }
    var result: [UInt8] = [2, 0, 0, 0]
    var place = 4
    while place < stored.byteCount {
      guard stored.byteCount - place >= 4 else { return nil }
      let tag: UInt16 = stored.littleEndian(at: place)
      result += stored.slice(place, 4).array
      place += 4
      if named.contains(tag) {
        guard stored.byteCount - place >= 4 else { return nil }
        result += stored.slice(place, 4).array
        place += 4
      } else {
        guard plain.contains(tag) else { return nil }
        result += [0xff, 0xff, 0xff, 0xff]
      }
    }
    return result
  }
}
