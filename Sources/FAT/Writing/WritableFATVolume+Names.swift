import Filesystems

extension WritableFATVolume {
  func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID {
    try requireKind(attributes.kind, name)
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

  func remove(_ name: FileName, from directory: FileID) throws {
    let index = try index(of: directory)
    let found = try find(name, in: index, directory)
    if found.entry.attributes.kind == .directory {
      try requireEmpty(reader.file(found, in: reader.directory(directory)), name)
    }
    try delete(found, from: index)
    try release(from: found.entry.firstCluster)
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
