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
    let kept: DOSAttributes = [.directory, .volumeLabel]
    entry.attributes = entry.attributes.intersection(kept).union(DOSAttributes(words: attributes.flags))
    if attributes.permissions != old.permissions {
      let full = DOSAttributes(rawValue: entry.attributes.rawValue & ~DOSAttributes.readOnly.rawValue).permissions
      guard attributes.permissions == full || attributes.permissions == full & 0o555 else {
        throw FileError(
          .unsupported("FAT keeps no permissions but \(octal(full)) and \(octal(full & 0o555))"), entry.printable)
      }
      entry.attributes.remove(.readOnly)
      if attributes.permissions != full { entry.attributes.insert(.readOnly) }
    }
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

  private func octal(_ permissions: UInt16) -> String { "0" + String(permissions, radix: 8) }

  package func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws {
    throw FileError(.unsupported("FAT keeps no extended attributes"), name.description)
  }
}
