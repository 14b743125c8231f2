import BlockIO
import Bytes
import CLinux
import Filesystems
import Glibc
import SystemPackage

/// A file or directory of the host that a tree is copied from; a symbolic link is itself.
struct HostNode {
  /// The names from the tree's folder.
  let names: [FileName]
  let path: FilePath
  let attributes: FileAttributes
  let identity: FileStatus.Identity

  /// Looks at `path` (lstat(2)); nil for a kind of file that nothing else knows.
  init?(_ path: FilePath, names: [FileName]) throws(HostUnreadable) {
    var status = stat()
    guard unsafe path.withPlatformString({ unsafe lstat($0, &status) }) == 0 else {
      throw HostUnreadable(IOError("lstat", path, Errno(rawValue: errno)))
    }
    let mode = UInt16(truncatingIfNeeded: status.st_mode)
    guard let kind = FileKind(mode: mode) else { return nil }
    func time(_ time: timespec) -> Timestamp {
      Timestamp(seconds: Int64(time.tv_sec), nanoseconds: UInt32(truncatingIfNeeded: time.tv_nsec))
    }
    var attributes = FileAttributes(
      kind: kind, permissions: mode & 0xfff, owner: status.st_uid, group: status.st_gid,
      byteCount: UInt64(max(status.st_size, 0)), allocatedByteCount: UInt64(max(status.st_blocks, 0)) * 512,
      linkCount: UInt32(truncatingIfNeeded: status.st_nlink), modified: time(status.st_mtim))
    attributes.accessed = time(status.st_atim)
    if kind == .characterDevice || kind == .blockDevice {
      let (major, minor) = FileStatus.numbers(of: UInt64(status.st_rdev))
      attributes.device = .init(major: major, minor: minor)
    }
    self.attributes = attributes
    identity = FileStatus.Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    self.names = names
    self.path = path
  }

  /// Opens a regular file, and makes sure that it is the one that was looked at.
  func contents() throws -> HostContents {
    do throws(IOError) {
      let file = try OpenFile(path, .readOnly, options: [.nonBlocking, .noFollow])
      let status = try file.status()
      guard status.identity == identity, status.size == attributes.byteCount else {
        throw IOError("open (it has changed since it was looked at)", path, .ioError)
      }
      return HostContents(try FileSource(file), permissions: attributes.permissions & 0o777)
    } catch { throw HostUnreadable(error) }
  }

  /// Where a symbolic link points to.
  func target() throws(HostUnreadable) -> FileName {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
    let count = unsafe path.withPlatformString { unsafe readlink($0, &bytes, bytes.count) }
    guard count >= 0 else { throw HostUnreadable(IOError("readlink", path, Errno(rawValue: errno))) }
    return FileName(bytes.prefix(count).map { UInt8(bitPattern: $0) })
  }

  /// The attributes that go with a file to another system: `user.*`, POSIX ACLs and capabilities, no SELinux label.
  func extendedAttributes() throws(HostUnreadable) -> [ExtendedAttribute] {
    var names = [CChar](repeating: 0, count: 64 << 10)
    let count = unsafe path.withPlatformString { unsafe clinux_list_attributes($0, &names, names.count) }
    guard count > 0 else {
      if count == 0 || errno == ENOTSUP { return [] }
      throw HostUnreadable(IOError("listxattr", path, Errno(rawValue: errno)))
    }
    var found: [ExtendedAttribute] = []
    for name in names.prefix(Int(count)).split(separator: 0) {
      let bytes = name.map { UInt8(bitPattern: $0) }
      guard Self.isCopied(bytes) else { continue }
      found.append(ExtendedAttribute(name: FileName(bytes), value: try value(of: Array(name) + [0])))
    }
    return found
  }

  private static func isCopied(_ name: [UInt8]) -> Bool {
    name.starts(with: "user.".utf8) || name == AccessControl.access.bytes || name == AccessControl.standard.bytes
      || name == Array("security.capability".utf8)
  }

  private func value(of name: [CChar]) throws(HostUnreadable) -> [UInt8] {
    var value = [UInt8](repeating: 0, count: 64 << 10)
    let count = unsafe path.withPlatformString { unsafe clinux_get_attribute($0, name, &value, value.count) }
    guard count >= 0 else { throw HostUnreadable(IOError("getxattr", path, Errno(rawValue: errno))) }
    return Array(value.prefix(Int(count)))
  }
}

/// What is in a folder of the host, directories before what is in them, names in order.
struct HostTree {
  /// Directories that may lie inside each other.
  private static let maximumDepth = 1024
  private let folder: FilePath

  init(_ folder: String) { self.folder = FilePath(folder) }

  /// The folder itself, a link to one followed; throws where it is none.
  func root() throws -> HostNode {
    guard let resolved = folder.resolved, let node = try HostNode(resolved, names: []) else {
      throw HostUnreadable("\(folder): there is no such folder")
    }
    guard node.attributes.kind == .directory else { throw HostUnreadable("\(folder): is not a folder") }
    return node
  }

  /// Calls `body` with everything below `root`, and `left` with each directory after what is in it.
  func forEach(
    below root: HostNode, _ body: (HostNode) throws -> Void, left: (HostNode) throws -> Void
  ) throws {
    var levels: [(node: HostNode, waiting: [FileName])] = [(root, try Self.names(in: root.path))]
    while let level = levels.last {
      guard let name = level.waiting.last else {
        levels.removeLast()
        if !levels.isEmpty { try left(level.node) }
        continue
      }
      levels[levels.count - 1].waiting.removeLast()
      guard let node = try HostNode(level.node.path.appending(bytes: name), names: level.node.names + [name]) else {
        continue
      }
      try body(node)
      guard node.attributes.kind == .directory else { continue }
      guard levels.count < Self.maximumDepth else {
        throw HostUnreadable("\(node.path): lies more than \(Self.maximumDepth) folders deep")
      }
      levels.append((node, try Self.names(in: node.path)))
    }
  }

  /// The names in a folder, last first.
  private static func names(in path: FilePath) throws(HostUnreadable) -> [FileName] {
    guard let directory = unsafe path.withPlatformString({ unsafe opendir($0) }) else {
      throw HostUnreadable(IOError("opendir", path, Errno(rawValue: errno)))
    }
    defer { unsafe closedir(directory) }
    var names: [FileName] = []
    errno = 0
    while let entry = unsafe readdir(directory) {
      let bytes = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { unsafe Array($0.prefix { $0 != 0 }) }
      let name = FileName(bytes)
      if name.isOrdinary { names.append(name) }
      errno = 0
    }
    guard errno == 0 else { throw HostUnreadable(IOError("readdir", path, Errno(rawValue: errno))) }
    return names.sorted().reversed()
  }
}

extension FilePath {
  /// The path with one more name, which may be no UTF-8.
  fileprivate func appending(bytes name: FileName) -> FilePath {
    let text = unsafe withPlatformString { unsafe Array(UnsafeBufferPointer(start: $0, count: strlen($0))) }
    let all = text + [CChar(bitPattern: UInt8(ascii: "/"))] + name.bytes.map { CChar(bitPattern: $0) } + [0]
    return FilePath(platformString: all)
  }
}
