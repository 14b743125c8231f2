import Filesystems

/// What a new file takes over from the directory that it is made in, as the kernel does it: the group of a set-group-ID
/// directory, the default ACL, and the SELinux label, since nobody here can ask the policy for a better one.
struct Inheritance {
  private static let label: FileName = "security.selinux"

  /// Owner, group and permissions for the new file.
  var attributes: FileAttributes
  /// Extended attributes for it.
  private(set) var extended: [ExtendedAttribute] = []

  /// Looks at `directory` for a new file of `kind`; without `takesACL` the default ACL is left aside.
  init(
    _ kind: FileKind, permissions: UInt16, owner: UInt32 = 0, group: UInt32? = nil, time: Timestamp,
    in directory: FileID, of filesystem: any Filesystem, takesACL: Bool = true
  ) throws {
    attributes = FileAttributes(
      kind: kind, permissions: permissions, owner: owner, group: group ?? 0, byteCount: 0, allocatedByteCount: 0,
      modified: time)
    attributes.accessed = time
    let parent = try filesystem.attributes(of: directory)
    if parent.permissions & 0o2000 != 0 {
      if group == nil { attributes.group = parent.group }
      if kind == .directory { attributes.permissions |= 0o2000 }
    }
    for one in try filesystem.extendedAttributes(of: directory) {
      switch one.name {
      case Self.label: extended.append(one)
      case AccessControl.standard where takesACL && kind != .symbolicLink: inherit(one)
      default: break
      }
    }
  }

  private mutating func inherit(_ standard: ExtendedAttribute) {
    guard var list = AccessControl(standard.value) else { return }
    list.restrict(to: attributes.permissions)
    attributes.permissions = attributes.permissions & ~0o777 | list.permissions
    if list.isExtended { extended.append(ExtendedAttribute(name: AccessControl.access, value: list.value)) }
    if attributes.kind == .directory { extended.append(standard) }
  }
}
