import BlockIO
import CLinux
import Filesystems
import Glibc

/// Gives an extracted file what it carries beside its contents: owner, extended attributes, mode, times; in this order,
/// since each may undo the one after it.
struct AttributeSetter {
  /// What attributes are set on.
  enum Place {
    /// An open file or folder.
    case open(CInt)
    /// A name in an open folder; a symbolic link is not followed.
    case name(FileName, folder: CInt)
  }

  let options: ExtractionOptions
  let place: Place
  /// Where errors happen.
  let failure: (_ operation: String) -> DestinationError

  /// Sets all of `attributes` and `extended`; `refused` hears of what the destination does not take: the name of an
  /// extended attribute, `owner`, `mode` or `times`.
  func set(
    _ attributes: FileAttributes, _ extended: [ExtendedAttribute], refused: (FileName) -> Void
  ) throws(DestinationError) {
    var isOwned = false
    if options.setsOwners { isOwned = try take(setOwner(attributes), "chown", "owner", refused) }
    for one in extended where try !set(one) { refused(one.name) }
    if attributes.kind != .symbolicLink {
      _ = try take(setMode(attributes, isOwned: isOwned), "chmod", "mode", refused)
    }
    _ = try take(setTimes(attributes), "utimensat", "times", refused)
  }

  /// Whether a call with this result has set what it should; throws unless the destination is merely one that has no such
  /// thing, as FAT has no owners, or one that this user may not set it on.
  private func take(
    _ result: CInt, _ operation: String, _ what: FileName, _ refused: (FileName) -> Void
  ) throws(DestinationError) -> Bool {
    guard result != 0 else { return true }
    guard [EPERM, EACCES, EOPNOTSUPP, EINVAL, ENOSYS].contains(errno) else { throw failure(operation) }
    refused(what)
    return false
  }

  private func setOwner(_ attributes: FileAttributes) -> CInt {
    let (owner, group) = (attributes.owner, attributes.group)
    return
      switch place
    {
    case .open(let file): fchown(file, owner, group)
    case .name(let name, let folder):
      unsafe name.withCString { unsafe fchownat(folder, $0, owner, group, AT_SYMLINK_NOFOLLOW) }
    }
  }

  /// Sets an extended attribute; false where the destination has none such or this user may not set it.
  private func set(_ attribute: ExtendedAttribute) throws(DestinationError) -> Bool {
    // A capability is as good as a set-user-ID bit.
    if !options.setsOwners, attribute.name.bytes.starts(with: "security.".utf8) { return false }
    let value = attribute.value
    let result = unsafe attribute.name.withCString { name in
      unsafe value.withUnsafeBytes { bytes in
        switch place {
        case .open(let file): unsafe clinux_set_attribute(file, name, bytes.baseAddress, bytes.count)
        case .name(let file, let folder):
          unsafe file.withCString { file in
            unsafe clinux_set_attribute_at(folder, file, name, bytes.baseAddress, bytes.count)
          }
        }
      }
    }
    if result == 0 { return true }
    guard [EPERM, EACCES, EOPNOTSUPP, EINVAL, ERANGE, E2BIG, ENOSPC, ENODATA].contains(errno) else {
      throw failure("setxattr")
    }
    return false
  }

  /// Sets the mode, with set-ID bits only where the owner is the one that they are for.
  private func setMode(_ attributes: FileAttributes, isOwned: Bool) -> CInt {
    let mode = mode_t(attributes.permissions & (isOwned ? 0o7777 : 0o1777))
    return
      switch place
    {
    case .open(let file): fchmod(file, mode)
    case .name(let name, let folder): unsafe name.withCString { unsafe clinux_set_mode_at(folder, $0, mode) }
    }
  }

  private func setTimes(_ attributes: FileAttributes) -> CInt {
    let times = [attributes.accessed ?? attributes.modified, attributes.modified].map { time in
      timespec(tv_sec: time_t(time.seconds), tv_nsec: Int(min(time.nanoseconds, 999_999_999)))
    }
    return
      switch place
    {
    case .open(let file): unsafe futimens(file, times)
    case .name(let name, let folder):
      unsafe name.withCString { unsafe utimensat(folder, $0, times, AT_SYMLINK_NOFOLLOW) }
    }
  }
}
