import CLinux
import Glibc
package import SystemPackage

/// A regular file or block device as a disk; a file's holes are zero extents.
package final class FileSource: BlockSource {
  private let file: OpenFile
  private let hasHoles: Bool
  package let byteCount: UInt64
  package let status: FileStatus

  /// The file's name, for messages.
  package var path: FilePath { file.path }
  /// The open descriptor, for lock queries.
  package var descriptor: CInt { file.descriptor }

  /// Opens `path` to read; anything but a regular file or block device is an error.
  package convenience init(_ path: FilePath) throws(IOError) {
    // Not blocking, so that a FIFO cannot hold the program up before its type is known.
    try self.init(OpenFile(path, .readOnly, options: .nonBlocking))
  }

  /// Reads from an open file.
  package init(_ file: consuming OpenFile) throws(IOError) {
    let status = try file.status()
    let size = try file.byteCount()
    switch status.kind {
    case .regular, .blockDevice: break
    case .directory: throw IOError("open", file.path, .isDirectory)
    default: throw IOError("open (neither a regular file nor a block device)", file.path, .invalidArgument)
    }
    self.status = status
    byteCount = size
    hasHoles = status.kind == .regular && status.storedSize < status.size
    _ = clinux_advise_sequential(file.descriptor)
    self.file = file
  }

  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    let limit = min(limit, byteCount)
    guard hasHoles else { return Extent(.data, offset: offset, length: limit - offset) }
    let data = clinux_seek_data(file.descriptor, Int64(clamping: offset))
    if data < 0 {
      guard errno == ENXIO else { return Extent(.data, offset: offset, length: limit - offset) }
      return Extent(.zero, offset: offset, length: limit - offset)
    }
    if UInt64(data) > offset { return Extent(.zero, offset: offset, length: min(UInt64(data), limit) - offset) }
    let hole = clinux_seek_hole(file.descriptor, data)
    let end = hole > data ? min(UInt64(hole), limit) : limit
    return Extent(.data, offset: offset, length: end - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try file.read(at: offset, into: &buffer)
  }

  package func stored(at offset: UInt64, limit: UInt64) -> StoredRange? {
    StoredRange(self, offset: offset, length: limit - offset)
  }

  /// Like `read`, but returns how many bytes were there before the end of file.
  package func readUpToEnd(at offset: UInt64, into buffer: inout MutableRawSpan) throws -> Int {
    try file.readUpToEnd(at: offset, into: &buffer)
  }
}
