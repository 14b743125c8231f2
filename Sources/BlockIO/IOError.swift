package import SystemPackage

/// A system call that failed, on which file and where in it.
package struct IOError: Error, Sendable, CustomStringConvertible {
  /// The system call, such as `pread`.
  package let operation: String
  package let path: FilePath
  package let errno: Errno
  /// Byte offset in the file, for calls that have one.
  package let offset: UInt64?

  package init(_ operation: String, _ path: FilePath, _ errno: Errno?, offset: UInt64? = nil) {
    self.operation = operation
    self.path = path
    self.errno = errno ?? .ioError
    self.offset = offset
  }

  package var description: String {
    "\(path): \(operation)\(offset.map { " at offset \($0)" } ?? "") failed: \(errno)"
  }
}
