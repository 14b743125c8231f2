package import Filesystems

extension WritableFATVolume {
  package func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID {
    guard attributes.kind == .regular || attributes.kind == .directory else {
      throw FileError(
        .unsupported("FAT holds files and directories only, no \(attributes.kind.name)"), name.description)
    }
    let new = try NewName(name)
    let index = try index(of: directory)
    guard index.slots(ofFolded: new.folded) == nil else { throw FileError(.alreadyExists, name.description) }
    guard let (short, needsLong) = index.shortName(for: new, own: nil) else {
      throw FileError(.directoryFull, name.description)
    }
    var entry = ShortEntry(name: short, attributes: attributes)
    let count = 1 + (needsLong ? new.longEntries(for: short).count : 0)
    let slots = try makeSlots(count, in: index, for: name.description)
    if attributes.kind == .directory {
      entry.firstCluster = try makeDirectory(entry, in: directory, for: name.description)
    }
    try put(entry, longName: needsLong ? new : nil, into: slots, of: index)
    return file(slots, of: index)
  }

  package func createSymbolicLink(
    _ name: FileName, to target: FileName, in directory: FileID, attributes: FileAttributes
  ) throws -> FileID {
    throw FileError(.unsupported("FAT has no symbolic links"), name.description)
  }

  package func link(_ file: FileID, as name: FileName, in directory: FileID) throws {
    throw FileError(.unsupported("FAT has no hard links"), name.description)
  }

  package func remove(_ name: FileName, from directory: FileID) throws {
    let index = try index(of: directory)
    let found = try find(name, in: index, directory)
    if found.entry.attributes.kind == .directory {
      try requireEmpty(reader.file(found, in: reader.directory(directory)), name)
    }
    try delete(found, from: index)
    try release(from: found.entry.firstCluster)
  }

  /// Throws unless the directory holds nothing.
  func requireEmpty(_ directory: FileID, _ name: FileName) throws {
    guard try reader.entries(of: directory, from: 0, limit: 1).isEmpty else {
      throw FileError(.directoryNotEmpty, name.description)
    }
  }
}

extension ShortEntry {
  /// The entry of a new file or directory without contents.
  init(name: ShortName, attributes: FileAttributes) {
    self.name = name
    let isDirectory = attributes.kind == .directory
    let isReadOnly = !isDirectory && attributes.permissions & 0o200 == 0
    self.attributes = DOSAttributes(words: attributes.flags)
      .union(isDirectory ? .directory : .archive).union(isReadOnly ? .readOnly : [])
    modified = DOSTime(attributes.modified)
    modified.hundredths = 0
    created = DOSTime(attributes.created ?? .now)
    accessed = DOSTime(date: DOSTime(attributes.accessed ?? attributes.modified).date)
    firstCluster = 0
    byteCount = 0
  }
}
