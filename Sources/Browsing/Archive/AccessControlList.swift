import Bytes
import Filesystems

/// A POSIX ACL as getxattr(2) gives it: version 2 in four bytes, then entries of tag, permissions and ID (acl(5)).
struct AccessControlList {
  /// The key that tar archives give it, and the list in words with numbers for users: `user::rw-,user:1000:r--,…`.
  let text: (key: String, list: String)

  /// Reads the ACL in `attribute`; nil where it holds none.
  init?(_ attribute: ExtendedAttribute) {
    let key: String
    switch attribute.name.text {
    case "system.posix_acl_access": key = "SCHILY.acl.access"
    case "system.posix_acl_default": key = "SCHILY.acl.default"
    default: return nil
    }
    let value = attribute.value
    let bytes = unsafe value.span.bytes
    guard bytes.byteCount >= 4, bytes.byteCount % 8 == 4, bytes.littleEndian(at: 0, as: UInt32.self) == 2 else {
      return nil
    }
    var entries: [String] = []
    for offset in stride(from: 4, to: bytes.byteCount, by: 8) {
      let id = bytes.littleEndian(at: offset + 4, as: UInt32.self)
      let subject: String
      switch bytes.littleEndian(at: offset, as: UInt16.self) {
      case 0x01: subject = "user:"
      case 0x02: subject = "user:\(id)"
      case 0x04: subject = "group:"
      case 0x08: subject = "group:\(id)"
      case 0x10: subject = "mask:"
      case 0x20: subject = "other:"
      default: return nil
      }
      let permissions = bytes.littleEndian(at: offset + 2, as: UInt16.self)
      let letters = zip("rwx", [4, 2, 1] as [UInt16]).map { permissions & $1 != 0 ? $0 : "-" }
      entries.append("\(subject):" + String(letters))
    }
    text = (key, entries.joined(separator: ","))
  }
}
