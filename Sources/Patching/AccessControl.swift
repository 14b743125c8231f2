import Bytes
import Filesystems

/// A POSIX ACL in the form of getxattr(2), as files inherit it and as chmod(2) changes it (acl(5)).
struct AccessControl {
  static let access: FileName = "system.posix_acl_access"
  static let standard: FileName = "system.posix_acl_default"

  private enum Tag {
    static let owner: UInt16 = 0x01
    static let group: UInt16 = 0x04
    static let mask: UInt16 = 0x10
    static let other: UInt16 = 0x20
  }

  private struct Entry {
    let tag: UInt16
    var permissions: UInt16
    let id: UInt32
  }

  private var entries: [Entry] = []

  /// Reads version 2; nil for anything else.
  init?(_ value: [UInt8]) {
    let bytes = unsafe value.span.bytes
    guard bytes.byteCount >= 4, bytes.byteCount % 8 == 4, bytes.littleEndian(at: 0, as: UInt32.self) == 2 else {
      return nil
    }
    for offset in stride(from: 4, to: bytes.byteCount, by: 8) {
      entries.append(
        Entry(
          tag: bytes.littleEndian(at: offset), permissions: bytes.littleEndian(at: offset + 2),
          id: bytes.littleEndian(at: offset + 4)))
    }
  }

  /// The form of setxattr(2).
  var value: [UInt8] {
    var bytes: [UInt8] = [2, 0, 0, 0]
    for entry in entries {
      for shift in [0, 8] as [UInt16] { bytes.append(UInt8(truncatingIfNeeded: entry.tag >> shift)) }
      for shift in [0, 8] as [UInt16] { bytes.append(UInt8(truncatingIfNeeded: entry.permissions >> shift)) }
      for shift in [0, 8, 16, 24] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: entry.id >> shift)) }
    }
    return bytes
  }

  /// Whether there is more in it than a mode can say.
  var isExtended: Bool { entries.count > 3 }

  private subscript(tag: UInt16) -> UInt16? {
    get { entries.first { $0.tag == tag }?.permissions }
    set {
      guard let newValue, let index = entries.firstIndex(where: { $0.tag == tag }) else { return }
      entries[index].permissions = newValue
    }
  }

  /// The entry that stands for the group's bits of a mode.
  private var groupTag: UInt16 { self[Tag.mask] == nil ? Tag.group : Tag.mask }

  /// The nine permission bits that it stands for.
  var permissions: UInt16 {
    let (owner, group, other) = (self[Tag.owner] ?? 0, self[groupTag] ?? 0, self[Tag.other] ?? 0)
    return (owner & 7) << 6 | (group & 7) << 3 | (other & 7)
  }

  /// What chmod(2) makes of it.
  mutating func set(_ permissions: UInt16) {
    self[Tag.owner] = (permissions >> 6) & 7
    self[groupTag] = (permissions >> 3) & 7
    self[Tag.other] = permissions & 7
  }

  /// What a new file of this mode inherits from a directory's default ACL.
  mutating func restrict(to permissions: UInt16) {
    set(self.permissions & permissions)
  }
}
