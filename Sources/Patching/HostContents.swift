import BlockIO
import Bytes
import Filesystems
import Glibc
import SystemPackage

/// New contents for a file, from memory or from a file of the host.
final class HostContents: FileContents {
  private enum Kind {
    case bytes([UInt8])
    case file(FileSource)
  }

  private let kind: Kind
  let byteCount: UInt64
  /// Permissions of the host's file; nil where there is none.
  let permissions: UInt16?

  init(_ bytes: [UInt8]) {
    kind = .bytes(bytes)
    byteCount = UInt64(bytes.count)
    permissions = nil
  }

  /// A file that was opened.
  init(_ file: FileSource, permissions: UInt16?) {
    kind = .file(file)
    byteCount = file.byteCount
    self.permissions = permissions
  }

  func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    guard case .file(let file) = kind else { return Extent(.data, offset: offset, length: limit - offset) }
    var extent = try file.extent(at: offset, limit: limit)
    if extent.kind == .zero { extent = Extent(.unallocated, offset: extent.offset, length: extent.length) }
    return extent
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    switch kind {
    case .bytes(let bytes): buffer.copy(unsafe bytes.span.bytes.slice(Int(offset), buffer.byteCount), at: 0)
    case .file(let file):
      do { try file.read(at: offset, into: &buffer) } catch let error as IOError { throw HostUnreadable(error) }
    }
  }
}

/// A file of the host that a patch takes its contents from and that cannot be read.
package struct HostUnreadable: Error, Sendable, CustomStringConvertible {
  package let description: String
  init(_ error: IOError) { description = error.description }
  init(_ description: String) { self.description = description }
}

/// The contents that steps take from the host, opened for the rehearsal and again for the run.
///
/// What can be read only once (standard input, a pipe) is kept in a temporary file. A file that has changed since it was
/// first opened is an error.
final class HostFiles {
  /// What a file was when it was first opened.
  private struct Seen: Equatable {
    let identity: FileStatus.Identity
    let size: UInt64
    let modified: Timestamp
  }

  private var seen: [String: Seen] = [:]
  private var spooled: [String: (file: FileSource, permissions: UInt16?)] = [:]
  private var input: FileSource?

  /// Opens a step's source.
  func contents(of source: PatchSource) throws -> HostContents {
    switch source {
    case .bytes(let bytes): return HostContents(bytes)
    case .standardInput: return HostContents(try standardInput(), permissions: nil)
    case .file(let name): return try file(name)
    }
  }

  private func standardInput() throws -> FileSource {
    if let input { return input }
    let descriptor = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
    guard descriptor >= 0 else {
      throw HostUnreadable(IOError("dup", "standard input", Errno(rawValue: errno)))
    }
    let file = try Self.spool(OpenFile(adopting: descriptor, path: "standard input"))
    input = file
    return file
  }

  private func file(_ name: String) throws -> HostContents {
    if let (file, permissions) = spooled[name] { return HostContents(file, permissions: permissions) }
    do throws(IOError) {
      // Whoever names a pipe means to wait for its writer.
      let isPipe = try FileStatus.of(FilePath(name)).kind == .fifo
      let opened = try OpenFile(FilePath(name), .readOnly, options: isPipe ? [] : .nonBlocking)
      var status = stat()
      guard unsafe fstat(opened.descriptor, &status) == 0 else {
        throw IOError("fstat", FilePath(name), Errno(rawValue: errno))
      }
      let found = FileStatus(status)
      let permissions = UInt16(truncatingIfNeeded: status.st_mode) & 0o777
      if found.kind == .directory { throw IOError("read", FilePath(name), .isDirectory) }
      // Files of /proc say that they are empty and are not.
      guard found.kind == .regular, found.size > 0 else {
        guard found.kind != .blockDevice else {
          throw IOError("open (a block device is no file to copy)", FilePath(name), .invalidArgument)
        }
        let file = try Self.spool(opened)
        spooled[name] = (file, found.kind == .regular ? permissions : nil)
        return HostContents(file, permissions: found.kind == .regular ? permissions : nil)
      }
      let now = Seen(
        identity: found.identity, size: found.size,
        modified: Timestamp(
          seconds: Int64(status.st_mtim.tv_sec), nanoseconds: UInt32(truncatingIfNeeded: status.st_mtim.tv_nsec)))
      let file = try FileSource(opened)
      guard seen[name] == nil || seen[name] == now else {
        throw IOError("open (it has changed since it was first looked at)", FilePath(name), .ioError)
      }
      seen[name] = now
      return HostContents(file, permissions: permissions)
    } catch { throw HostUnreadable(error) }
  }

  /// Copies what can be read only once to a temporary file.
  private static func spool(_ input: consuming OpenFile) throws(IOError) -> FileSource {
    let file = try OpenFile.temporary()
    var buffer = Buffer(count: 1 << 20)
    var done: UInt64 = 0
    while true {
      let count = try buffer.fill { (span: inout MutableRawSpan) throws(IOError) in try input.readNext(into: &span) }
      if count == 0 { break }
      try file.write(buffer.prefix(count), at: done)
      done += UInt64(count)
    }
    return try FileSource(file)
  }
}
