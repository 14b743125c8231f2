import BlockIO
import Bytes
import Filesystems

/// Extended attributes by the names that users know.
extension Changes {
  /// Namespaces that users may write, with what names in them begin with.
  private static let prefixes: [(text: String, number: UInt8)] = [
    ("user.", AttributeNamespace.user), ("trusted.", 4), ("security.", 6),
  ]

  /// The inode with an attribute set, or taken away for nil; an ACL sets the mode's permissions too.
  func setting(_ name: FileName, to value: [UInt8]?, of record: InodeRecord) throws -> InodeRecord {
    switch name.text {
    case AttributeNamespace.prefix(AttributeNamespace.accessACL):
      return try setting(AttributeNamespace.accessACL, list: value, of: record)
    case AttributeNamespace.prefix(AttributeNamespace.defaultACL):
      guard record.kind == .directory || value == nil else {
        throw FileError(.unsupported("only a directory has a default access control list"), name.description)
      }
      return try setting(AttributeNamespace.defaultACL, list: value, of: record)
    default: break
    }
    for prefix in Self.prefixes where name.bytes.starts(with: prefix.text.utf8) {
      let rest = Array(name.bytes.dropFirst(prefix.text.utf8.count))
      guard !rest.isEmpty, rest.count <= 255 else { break }
      if prefix.number == AttributeNamespace.user, record.kind != .regular, record.kind != .directory { break }
      return try setting(prefix.number, rest, to: value, of: record)
    }
    throw FileError(.unsupported("the volume does not keep such an extended attribute"), name.description)
  }

  private func setting(
    _ namespace: UInt8, _ name: [UInt8], to value: [UInt8]?, of record: InodeRecord
  ) throws -> InodeRecord {
    var editor = try AttributeEditor(record, self)
    try editor.set(namespace, name, to: value)
    try editor.finish()
    return editor.record
  }

  /// Sets an access control list, given as setxattr(2) takes it.
  private func setting(_ namespace: UInt8, list value: [UInt8]?, of record: InodeRecord) throws -> InodeRecord {
    guard let value else { return try setting(namespace, [], to: nil, of: record) }
    guard let entries = PosixACL.entries(of: value.raw) else {
      throw FileError(.unsupported("the access control list is malformed"), "inode \(record.number)")
    }
    guard namespace == AttributeNamespace.accessACL else {
      return try setting(namespace, [], to: PosixACL.packed(entries), of: record)
    }
    var record = record
    record.mode = record.mode & ~0o777 | PosixACL.permissions(of: entries)
    let stored = PosixACL.isPlain(entries) ? nil : PosixACL.packed(entries)
    return try setting(namespace, [], to: stored, of: record)
  }

  /// The inode with its access control list, if it has one, as chmod(2) leaves it.
  func withAccessList(of record: InodeRecord, following mode: UInt16) throws -> InodeRecord {
    let list = try AttributeReader(blocks.inode(UInt64(record.number)), blocks).all().first {
      $0.name.text == AttributeNamespace.prefix(AttributeNamespace.accessACL)
    }
    guard let list, let entries = PosixACL.entries(of: list.value.raw) else { return record }
    return try setting(
      AttributeNamespace.accessACL, [], to: PosixACL.packed(PosixACL.changed(entries, to: mode)), of: record)
  }
}

extension InodeRecord {
  /// Sets the times that attributes tell; those they do not tell become `now`, the birth is left alone.
  mutating func setTimes(of attributes: FileAttributes, now: Timestamp) {
    setModified(attributes.modified)
    setAccessed(attributes.accessed ?? attributes.modified)
    setChanged(attributes.changed ?? now)
    if let created = attributes.created { setCreated(created) }
  }
}
