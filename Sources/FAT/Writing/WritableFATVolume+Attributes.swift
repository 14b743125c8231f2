package import Filesystems

extension WritableFATVolume {
  package func setAttributes(_ attributes: FileAttributes, of file: FileID) throws {
    let old = try reader.attributes(of: file)
    guard file != root else {
      guard attributes.permissions == old.permissions, attributes.owner == 0, attributes.group == 0 else {
        throw FileError(.unsupported("FAT keeps no attributes of the root directory"), "/")
      }
      return
    }
    var entry = try reader.entry(of: file)
    guard attributes.owner == old.owner, attributes.group == old.group else {
      throw FileError(.unsupported("FAT keeps no owners"), entry.printable)
    }
    guard let bits = entry.attributes.changed(to: attributes, from: old) else {
      throw FileError(
        .unsupported("FAT keeps no permissions but those of all and the read-only attribute"), entry.printable)
    }
    entry.attributes = bits
    if attributes.modified != old.modified {
      let time = DOSTime(attributes.modified)
      entry.modified = DOSTime(date: time.date, time: time.time)
    }
    if let created = attributes.created, created != old.created { entry.created = DOSTime(created) }
    if let accessed = attributes.accessed, accessed != old.accessed {
      entry.accessed = DOSTime(date: DOSTime(accessed).date)
    }
    try store(entry, of: file, isModified: false)
  }

  package func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws {
    throw FileError(.unsupported("FAT keeps no extended attributes"), name.description)
  }
}
