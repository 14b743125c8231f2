package import Filesystems

/// Attributes of a new file or directory.
package func newAttributes(_ kind: FileKind = .regular, modified: Int64 = 1_700_000_000) -> FileAttributes {
  FileAttributes(
    kind: kind, permissions: kind == .directory ? 0o755 : 0o644, byteCount: 0, allocatedByteCount: 0,
    modified: Timestamp(seconds: modified))
}

extension WritableFilesystem {
  /// Makes a file with contents, in the root if no directory is given.
  @discardableResult
  package func make(_ name: FileName, in directory: FileID? = nil, _ bytes: [UInt8]) throws -> FileID {
    try transaction {
      let file = try create(name, in: directory ?? root, attributes: newAttributes())
      try replaceContents(of: file, with: BytesContents(bytes))
      return file
    }
  }

  /// Makes a directory.
  @discardableResult
  package func makeDirectory(_ name: FileName, in directory: FileID? = nil) throws -> FileID {
    try transaction { try create(name, in: directory ?? root, attributes: newAttributes(.directory)) }
  }

  /// The file or directory at a path, which must be there.
  package func find(path: String) throws -> FileID { try PathWalk(self).find(VolumePath(path)).file }
}
