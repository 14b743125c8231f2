import BlockIO
import Bytes
package import Filesystems

extension ExFATVolume {
  package func lookup(_ name: FileName, in directory: FileID) throws -> FileID? {
    guard let wanted = name.utf16 else { return nil }
    let folded = wanted.map { description.upcase.upper($0) }
    var result: FileID?
    let container = try self.directory(directory)
    try container.forEachFile(from: 0) { found in
      guard found.set.name.count == wanted.count else { return true }
      if found.set.name == wanted {
        result = self.file(found, in: container)
        return false
      }
      if result == nil, found.set.name.elementsEqual(folded, by: { description.upcase.upper($0) == $1 }) {
        result = self.file(found, in: container)
      }
      return true
    }
    return result
  }

  package func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    var entries: [DirectoryEntry] = []
    let container = try self.directory(directory)
    try container.forEachFile(from: position) { found in
      let name = FileName(utf16: found.set.name)
      guard name.isOrdinary else {
        throw heap.damaged("a directory holds the entry \(found.set.printable), which is no name", at: found.offset)
      }
      entries.append(
        DirectoryEntry(
          name: name, file: self.file(found, in: container), kind: found.set.attributes.kind,
          next: found.slots.upperBound))
      return entries.count < limit
    }
    return entries
  }

  package func attributes(of file: FileID) throws -> FileAttributes {
    guard file != root else { return try rootAttributes() }
    let set = try entrySet(of: file)
    var attributes = FileAttributes(
      kind: set.attributes.kind, permissions: set.attributes.permissions, byteCount: set.stream.byteCount,
      allocatedByteCount: heap.clusters(for: set.stream.byteCount).multiplied(by: heap.clusterSize) ?? 0,
      modified: set.modified.timestamp)
    attributes.created = set.created.local.isSet ? set.created.timestamp : nil
    attributes.accessed = set.accessed.local.isSet ? set.accessed.timestamp : nil
    attributes.flags = set.attributes.words
    return attributes
  }

  /// The root has no entry, so no times; it gets the first that exFAT can tell.
  private func rootAttributes() throws -> FileAttributes {
    let byteCount = try directory(root).byteCount()
    return FileAttributes(
      kind: .directory, permissions: 0o755, byteCount: byteCount, allocatedByteCount: byteCount,
      modified: DOSTime(date: 0).timestamp())
  }

  package func contents(of file: FileID) throws -> any FileContents {
    guard file != root else { throw FileError(.isADirectory, "/") }
    let set = try entrySet(of: file)
    guard set.attributes.kind == .regular else { throw FileError(.isADirectory, Self.name(of: file)) }
    return ClusterContents(
      try chain(of: set, file), byteCount: set.stream.byteCount, validByteCount: set.stream.validByteCount)
  }

  package func symbolicLinkTarget(of file: FileID) throws -> FileName {
    throw FileError(.notASymbolicLink, Self.name(of: file))
  }

  package func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute] { [] }

  private func file(_ found: Directory.Found, in directory: Directory) -> FileID {
    FileID(
      found.offset / UInt64(DirectorySlots.slotSize),
      context: UInt64(directory.firstCluster) | (directory.isOnePiece ? Self.onePieceBit : 0))
  }
}
