import Filesystems

extension WritableFATVolume {
  func setAttributes(_ attributes: FileAttributes, of file: FileID) throws {
    guard file != root else { return try requireUnchangedRoot(attributes) }
    let old = try reader.attributes(of: file)
    var entry = try reader.entry(of: file)
    entry.attributes = try bits(entry.attributes, of: entry.printable, changedTo: attributes, from: old)
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
}
