import BlockIO
import CLinux
import SystemPackage

/// The locks that qemu takes on image files, one byte for each permission (qemu block/file-posix.c).
///
/// A process that has permission N holds a shared lock on byte 100 + N; one that does not let others have it holds one
/// on byte 200 + N. Permission 0 is to read consistent data, 1 is to write.
enum QemuLock {
  private static let reads: Int64 = 100
  private static let writes: Int64 = 101
  private static let keepsReadersOff: Int64 = 200
  private static let keepsWritersOff: Int64 = 201

  /// Announces a reader that wants no writers, as qemu would, until `file` is closed; then throws if another process
  /// has the file open to write or keeps readers off.
  ///
  /// A filesystem without locks has none to respect, and its answers are ignored.
  static func take(_ file: FileSource, format: String) throws(ImageError) {
    _ = clinux_share_range(file.descriptor, reads, 1)
    _ = clinux_share_range(file.descriptor, keepsWritersOff, 1)
    guard let holder = holder(of: file) else { return }
    throw ImageError(
      .refused, format: format, file: file.path.string,
      "\(holder); stop the virtual machine, or read what may be changing with --force-share")
  }

  /// What another process does with the file that forbids to read it, if anything.
  static func holder(of file: FileSource) -> String? {
    if clinux_is_range_locked(file.descriptor, writes, 1) == 1 {
      return "another process (a running virtual machine, qemu-nbd) has the image open for writing"
    }
    if clinux_is_range_locked(file.descriptor, keepsReadersOff, 1) == 1 {
      return "another process (qemu) has locked the image against readers"
    }
    return nil
  }
}
