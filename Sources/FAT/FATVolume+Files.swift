import BlockIO
import Bytes
package import Filesystems

extension FATVolume {
  package func lookup(_ name: FileName, in directory: FileID) throws -> FileID? {
    guard let wanted = name.utf16.map({ WantedName($0) }) else { return nil }
    var found: FileID?
    let container = try self.directory(directory)
    try container.forEach(from: 0) { entry in
      if entry.name == wanted.units {
        found = self.file(entry, in: container)
        return false
      }
      if found == nil, wanted.matches(entry) { found = self.file(entry, in: container) }
      return true
    }
    return found
  }

  package func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    var entries: [DirectoryEntry] = []
    let container = try self.directory(directory)
    try container.forEach(from: position) { entry in
      entries.append(
        DirectoryEntry(
          name: try self.name(of: entry), file: self.file(entry, in: container), kind: entry.entry.attributes.kind,
          next: entry.slots.upperBound))
      return entries.count < limit
    }
    return entries
  }

  package func attributes(of file: FileID) throws -> FileAttributes {
    guard file != root else { return try rootAttributes() }
    let entry = try entry(of: file)
    let isDirectory = entry.attributes.kind == .directory
    let byteCount = isDirectory ? try directory(file).byteCount() : UInt64(entry.byteCount)
    var attributes = FileAttributes(
      kind: entry.attributes.kind, permissions: entry.attributes.permissions, byteCount: byteCount,
      allocatedByteCount: heap.clusters(for: byteCount) * heap.clusterSize, modified: entry.modified.timestamp())
    attributes.created = entry.created.isSet ? entry.created.timestamp() : nil
    attributes.accessed = entry.accessed.isSet ? entry.accessed.timestamp() : nil
    attributes.flags = entry.attributes.words
    return attributes
  }

  /// The root has no entry, so no times; it gets the first that FAT can tell.
  private func rootAttributes() throws -> FileAttributes {
    let byteCount = try directory(root).byteCount()
    return FileAttributes(
      kind: .directory, permissions: 0o755, byteCount: byteCount, allocatedByteCount: byteCount,
      modified: DOSTime(date: 0).timestamp())
  }

  package func contents(of file: FileID) throws -> any FileContents {
    guard file != root else { throw FileError(.isADirectory, "/") }
    let entry = try entry(of: file)
    guard entry.attributes.kind == .regular else { throw FileError(.isADirectory, Self.name(of: file)) }
    let byteCount = UInt64(entry.byteCount)
    guard byteCount > 0 else { return ClusterContents(nil, byteCount: 0, validByteCount: 0) }
    guard heap.contains(entry.firstCluster), heap.clusters(for: byteCount) <= UInt64(heap.clusterCount) else {
      throw heap.damaged(
        "\(entry.printable) has \(byteCount) bytes from cluster \(entry.firstCluster) on, but the volume has "
          + "\(heap.clusterCount) clusters of \(heap.clusterSize) bytes", at: file.number * 32)
    }
    let chain = try ClusterChain(from: entry.firstCluster, in: heap, table: table)
    return ClusterContents(chain, byteCount: byteCount, validByteCount: byteCount)
  }

  package func symbolicLinkTarget(of file: FileID) throws -> FileName {
    throw FileError(.notASymbolicLink, Self.name(of: file))
  }

  package func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute] { [] }

  /// How callers find an entry again.
  func file(_ found: Directory.Found, in directory: Directory) -> FileID {
    FileID(found.offset / UInt64(ShortEntry.size), context: UInt64(directory.firstCluster))
  }

  /// The name to list: the long one, or the short one where that cannot be a name.
  private func name(of found: Directory.Found) throws -> FileName {
    for units in [found.longName, found.entry.name.utf16].compactMap({ $0 }) {
      let name = FileName(utf16: units)
      if name.isOrdinary { return name }
    }
    throw heap.damaged("a directory holds the entry \(found.entry.printable), which is no name", at: found.offset)
  }
}

extension ShortEntry {
  /// The short name, for errors.
  var printable: String { FileName(utf16: name.utf16).description }
}

/// A name that is looked for, in upper case and without dots at its end.
struct WantedName {
  let units: [UInt16]
  private let folded: [UInt16]

  init(_ units: [UInt16]) {
    self.units = units
    folded = Self.fold(units)
  }

  /// Whether the long or the short name of an entry is the same but for upper and lower case.
  func matches(_ found: Directory.Found) -> Bool {
    if let long = found.longName, isSame(long) { return true }
    return folded.count <= 12 && isSame(found.entry.name.utf16)
  }

  private func isSame(_ name: [UInt16]) -> Bool {
    guard name.count >= folded.count else { return false }
    return Self.fold(name) == folded
  }

  /// A name as names are compared.
  static func fold(_ name: [UInt16]) -> [UInt16] {
    var name = name
    while name.last == UInt16(UInt8(ascii: ".")) { name.removeLast() }
    return name.map { UpperCase.of($0) }
  }
}
