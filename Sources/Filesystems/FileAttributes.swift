/// A moment, in seconds and nanoseconds since 1970-01-01 00:00 UTC.
package struct Timestamp: Hashable, Sendable, Comparable {
  package let seconds: Int64
  /// 0 ..< 1,000,000,000, counted upwards also before 1970.
  package let nanoseconds: UInt32

  package init(seconds: Int64, nanoseconds: UInt32 = 0) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  package static func < (left: Timestamp, right: Timestamp) -> Bool {
    (left.seconds, left.nanoseconds) < (right.seconds, right.nanoseconds)
  }
}

/// What stat(2) tells of a file.
package struct FileAttributes: Hashable, Sendable {
  package var kind: FileKind
  /// The lower twelve bits of the mode: permissions, set-ID and sticky bits; made up (0755, 0644) where the volume has none.
  package var permissions: UInt16
  /// Owner and group; 0 where the volume has none.
  package var owner: UInt32
  package var group: UInt32
  /// Size in bytes; of a directory what its driver finds fitting.
  package var byteCount: UInt64
  /// Bytes of the volume that the contents take; less than `byteCount` for sparse files.
  package var allocatedByteCount: UInt64
  /// Hard links; 1 where the volume has none.
  package var linkCount: UInt32
  package var modified: Timestamp
  /// Last read access, last change of the attributes, birth; nil where the volume does not keep them.
  package var accessed: Timestamp?
  package var changed: Timestamp?
  package var created: Timestamp?
  /// Numbers of a character or block device.
  package var device: DeviceNumbers?
  /// Words for the driver's own flags (`immutable`, `hidden`, `encrypted`).
  package var flags: [String] = []

  /// Major and minor number of a device.
  package struct DeviceNumbers: Hashable, Sendable {
    package let major: UInt32
    package let minor: UInt32
    package init(major: UInt32, minor: UInt32) {
      self.major = major
      self.minor = minor
    }
  }

  package init(
    kind: FileKind, permissions: UInt16, owner: UInt32 = 0, group: UInt32 = 0, byteCount: UInt64,
    allocatedByteCount: UInt64, linkCount: UInt32 = 1, modified: Timestamp
  ) {
    self.kind = kind
    self.permissions = permissions
    self.owner = owner
    self.group = group
    self.byteCount = byteCount
    self.allocatedByteCount = allocatedByteCount
    self.linkCount = linkCount
    self.modified = modified
  }

  /// Kind and permissions as one Unix mode.
  package var mode: UInt16 { kind.modeBits | permissions & 0xfff }
}

/// An attribute that a file carries beside its contents (xattr(7)).
package struct ExtendedAttribute: Hashable, Sendable {
  /// The full name with its namespace: `user.comment`, `security.selinux`, `system.posix_acl_access`.
  package let name: FileName
  /// The value as getxattr(2) gives it.
  package let value: [UInt8]

  package init(name: FileName, value: [UInt8]) {
    self.name = name
    self.value = value
  }
}
