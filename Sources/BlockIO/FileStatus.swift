import CLinux
package import Glibc
package import SystemPackage

/// What stat(2) says of a file.
package struct FileStatus: Sendable, Hashable {
  /// The types of file that open(2) can meet.
  package enum Kind: Sendable, Hashable {
    case regular, directory, blockDevice, characterDevice, fifo, socket, other
  }

  /// A file whatever its names: device and inode number.
  package struct Identity: Sendable, Hashable {
    package let device: UInt64
    package let inode: UInt64
    package init(device: UInt64, inode: UInt64) {
      self.device = device
      self.inode = inode
    }
  }

  package let kind: Kind
  package let identity: Identity
  /// For a device node, the device it stands for; else 0.
  package let device: UInt64
  /// Size in bytes of a regular file; 0 for a block device.
  package let size: UInt64
  /// Bytes that are really stored.
  package let storedSize: UInt64

  package init(_ status: stat) {
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .regular
      case S_IFDIR: .directory
      case S_IFBLK: .blockDevice
      case S_IFCHR: .characterDevice
      case S_IFIFO: .fifo
      case S_IFSOCK: .socket
      default: .other
      }
    identity = Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    device = UInt64(status.st_rdev)
    size = UInt64(max(status.st_size, 0))
    storedSize = UInt64(max(status.st_blocks, 0)) * 512
  }

  /// The status of `path`, symbolic links followed (stat(2)).
  package static func of(_ path: FilePath) throws(IOError) -> FileStatus {
    var status = stat()
    let result = unsafe path.withPlatformString { unsafe stat($0, &status) }
    guard result == 0 else { throw IOError("stat", path, Errno(rawValue: errno)) }
    return FileStatus(status)
  }

  /// Whether `path` itself is a symbolic link (lstat(2)).
  package static func isLink(_ path: FilePath) -> Bool {
    var status = stat()
    return unsafe path.withPlatformString { unsafe lstat($0, &status) } == 0 && status.st_mode & S_IFMT == S_IFLNK
  }

  /// Major and minor number of the device that a device node stands for.
  package var deviceNumbers: (major: UInt32, minor: UInt32) { Self.numbers(of: device) }

  /// Major and minor number of a device number as stat(2) gives it.
  package static func numbers(of device: UInt64) -> (major: UInt32, minor: UInt32) {
    (clinux_major(device), clinux_minor(device))
  }
}

extension FilePath {
  /// The path with every symbolic link resolved (realpath(3)); nil where that fails.
  package var resolved: FilePath? {
    unsafe withPlatformString { name in
      guard let found = unsafe realpath(name, nil) else { return nil }
      defer { unsafe free(found) }
      return unsafe FilePath(platformString: found)
    }
  }
}
