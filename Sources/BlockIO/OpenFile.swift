import CLinux
import Glibc
package import SystemPackage

/// An open file or block device that closes when its owner goes away.
package struct OpenFile: ~Copyable, Sendable {
  /// The descriptor, for calls made beside this type's; it stays this type's to close.
  package let descriptor: CInt
  /// The name it was opened by, for messages.
  package let path: FilePath

  /// Opens `path` (open(2)), always close-on-exec; messages call it `name` if given.
  package init(
    _ path: FilePath, _ mode: FileDescriptor.AccessMode, options: FileDescriptor.OpenOptions = [],
    permissions: FilePermissions? = nil, named name: FilePath? = nil
  ) throws(IOError) {
    do {
      descriptor = try FileDescriptor.open(
        path, mode, options: options.union(.closeOnExec), permissions: permissions
      ).rawValue
      self.path = name ?? path
    } catch {
      throw IOError("open", name ?? path, error as? Errno)
    }
  }

  /// Takes over an open descriptor.
  package init(adopting descriptor: CInt, path: FilePath) {
    self.descriptor = descriptor
    self.path = path
  }

  deinit { _ = Glibc.close(descriptor) }

  /// Fills `buffer` from `offset`; a short read at the end of file is an error.
  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws(IOError) {
    guard try readUpToEnd(at: offset, into: &buffer) == buffer.byteCount else {
      throw IOError("pread (unexpected end of file)", path, .ioError, offset: offset)
    }
  }

  /// Fills `buffer` from `offset` and returns how many bytes were there: fewer only at the end of file (pread(2)).
  package func readUpToEnd(at offset: UInt64, into buffer: inout MutableRawSpan) throws(IOError) -> Int {
    try unsafe fill(&buffer, "pread", at: offset) { base, count, done in
      unsafe pread(descriptor, base, count, off_t(clamping: offset) + off_t(done))
    }
  }

  /// Fills `buffer` from the current position (read(2)); fewer bytes only at the end.
  package func readNext(into buffer: inout MutableRawSpan) throws(IOError) -> Int {
    try unsafe fill(&buffer, "read", at: nil) { base, count, _ in unsafe Glibc.read(descriptor, base, count) }
  }

  private func fill(
    _ buffer: inout MutableRawSpan, _ operation: String, at offset: UInt64?,
    _ call: (UnsafeMutableRawPointer?, Int, Int) -> Int
  ) throws(IOError) -> Int {
    var done = 0
    while done < buffer.byteCount {
      let count = unsafe buffer.withUnsafeMutableBytes { bytes in
        let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[done...])
        return unsafe call(rest.baseAddress, rest.count, done)
      }
      if count > 0 {
        done += count
      } else if count == 0 {
        break
      } else if errno != EINTR {
        throw IOError(operation, path, Errno(rawValue: errno), offset: offset.map { $0 + UInt64(done) })
      }
    }
    return done
  }

  /// Writes all of `bytes` at `offset` (pwrite(2)), going on after short writes and interrupts.
  package func write(_ bytes: RawSpan, at offset: UInt64) throws(IOError) {
    try unsafe drain(bytes, "pwrite", at: offset) { base, count, done in
      unsafe pwrite(descriptor, base, count, off_t(clamping: offset) + off_t(done))
    }
  }

  /// Writes all of `bytes` at the current position (write(2)).
  package func writeNext(_ bytes: RawSpan) throws(IOError) {
    try unsafe drain(bytes, "write", at: nil) { base, count, _ in unsafe Glibc.write(descriptor, base, count) }
  }

  private func drain(
    _ bytes: RawSpan, _ operation: String, at offset: UInt64?, _ call: (UnsafeRawPointer?, Int, Int) -> Int
  ) throws(IOError) {
    var done = 0
    while done < bytes.byteCount {
      let count = unsafe bytes.withUnsafeBytes { bytes in
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[done...])
        return unsafe call(rest.baseAddress, rest.count, done)
      }
      if count > 0 {
        done += count
      } else if count == 0 || errno != EINTR {
        let code: Errno = count == 0 ? .noSpace : Errno(rawValue: errno)
        throw IOError(operation, path, code, offset: offset.map { $0 + UInt64(done) })
      }
    }
  }

  /// What fstat(2) says of the file.
  package func status() throws(IOError) -> FileStatus {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw IOError("fstat", path, Errno(rawValue: errno)) }
    return FileStatus(status)
  }

  /// The size in bytes of a regular file or block device.
  package func byteCount() throws(IOError) -> UInt64 {
    let status = try status()
    guard status.kind == .blockDevice else { return status.size }
    var size: UInt64 = 0
    guard unsafe clinux_block_device_size(descriptor, &size) == 0 else {
      throw IOError("BLKGETSIZE64", path, Errno(rawValue: errno))
    }
    return size
  }

  /// Waits until the file's data is on the medium (fdatasync(2)).
  package func flush() throws(IOError) {
    while fdatasync(descriptor) != 0 {
      guard errno == EINTR else { throw IOError("fdatasync", path, Errno(rawValue: errno)) }
    }
  }

  /// Sets a regular file's size (ftruncate(2)).
  package func resize(to size: UInt64) throws(IOError) {
    while ftruncate(descriptor, off_t(clamping: size)) != 0 {
      guard errno == EINTR else { throw IOError("ftruncate", path, Errno(rawValue: errno), offset: size) }
    }
  }
}

extension FileDescriptor.OpenOptions {
  /// The corresponding C constant is `O_DIRECT`.
  package static var direct: Self { Self(rawValue: clinux_o_direct) }
  /// The corresponding C constant is `O_TMPFILE`.
  package static var temporaryFile: Self { Self(rawValue: clinux_o_tmpfile) }
}
