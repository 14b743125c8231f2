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

  /// Sets all of `attributes` and `extended`; `refused` hears of extended attributes that the destination does not take.
  func set(
    _ attributes: FileAttributes, _ extended: [ExtendedAttribute], refused: (FileName) -> Void
  ) throws(DestinationError) {
    if options.setsOwners { try setOwner(attributes) }
    for one in extended where try !set(one) { refused(one.name) }
    if attributes.kind != .symbolicLink { try setMode(attributes) }
    try setTimes(attributes)
  }

  private func setOwner(_ attributes: FileAttributes) throws(DestinationError) {
    let (owner, group) = (attributes.owner, attributes.group)
    let result =
      switch place {
      case .open(let file): fchown(file, owner, group)
      case .name(let name, let folder):
        unsafe name.withCString { unsafe fchownat(folder, $0, owner, group, AT_SYMLINK_NOFOLLOW) }
      }
    guard result == 0 else { throw failure("chown") }
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

  private func setMode(_ attributes: FileAttributes) throws(DestinationError) {
    var mode = mode_t(attributes.permissions & 0o7777)
    if !options.setsOwners { mode &= ~0o6000 }
    let result =
      switch place {
      case .open(let file): fchmod(file, mode)
      case .name(let name, let folder): unsafe name.withCString { unsafe clinux_set_mode_at(folder, $0, mode) }
      }
    guard result == 0 else { throw failure("chmod") }
  }

  private func setTimes(_ attributes: FileAttributes) throws(DestinationError) {
    let times = [attributes.accessed ?? attributes.modified, attributes.modified].map { time in
      timespec(tv_sec: time_t(time.seconds), tv_nsec: Int(min(time.nanoseconds, 999_999_999)))
    }
    let result =
      switch place {
      case .open(let file): unsafe futimens(file, times)
      case .name(let name, let folder):
        unsafe name.withCString { unsafe utimensat(folder, $0, times, AT_SYMLINK_NOFOLLOW) }
      }
    guard result == 0 else { throw failure("utimensat") }
  }
}
