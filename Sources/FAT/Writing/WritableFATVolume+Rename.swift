import Filesystems

extension WritableFATVolume {
  func rename(
    _ name: FileName, in directory: FileID, to newName: FileName, in newDirectory: FileID
  ) throws -> FileID {
    let new = try NewName(newName)
    let source = try index(of: directory)
    let found = try find(name, in: source, directory)
    let goal = try index(of: newDirectory)
    let own = Int(found.slots.lowerBound)..<Int(found.slots.upperBound)
    if found.entry.attributes.kind == .directory, goal !== source {
      try requireNotBelow(newDirectory, found, newName)
    }
    if let slots = goal.slots(ofFolded: new.folded), goal !== source || slots != own {
      let target = try self.found(slots, in: newDirectory)
      try replace(target, in: goal, newDirectory, with: found, from: source, name: newName)
      guard target.name != new.units else { return file(slots, of: goal) }
      return try rename(FileName(utf16: target.name), in: newDirectory, to: newName, in: newDirectory)
    }
    guard goal !== source || found.name != new.units else { return file(own, of: source) }
    return try move(found, from: source, to: new, in: goal, newDirectory)
  }

  /// Throws where `directory` is `moved` itself or lies below it.
  private func requireNotBelow(_ directory: FileID, _ moved: Directory.Found, _ name: FileName) throws {
    let root = reader.boot.wide?.rootCluster ?? 0
    var cluster = try reader.firstCluster(ofDirectory: directory)
    // No path is longer than the volume has clusters; a circle of directories ends here too.
    for _ in 0..<UInt64(reader.heap.clusterCount) {
      guard cluster != moved.entry.firstCluster else {
        throw FileError(.unsupported("a directory cannot be moved below itself"), name.description)
      }
      guard cluster != root, cluster != 0 else { return }
      cluster = try dots(of: cluster, isParent: true).firstCluster
    }
  }

  /// The entry `.` or `..` of the directory that starts at `cluster`.
  private func dots(of cluster: UInt32, isParent: Bool) throws -> ShortEntry {
    guard reader.heap.contains(cluster) else { throw reader.heap.damaged("a directory lies at cluster \(cluster)") }
    let offset = reader.heap.offset(of: cluster) + (isParent ? UInt64(ShortEntry.size) : 0)
    let block = try MetadataBlock(of: volume, at: offset, count: ShortEntry.size)
    let entry = ShortEntry(block.bytes, at: 0, isWide: reader.boot.wide != nil)
    guard entry.name.bytes == (isParent ? ShortName.parent : .current).bytes else {
      throw reader.heap.damaged("the directory at cluster \(cluster) lacks its entry for its parent", at: offset)
    }
    return entry
  }

  /// Has the moved directory's `..` lead to its new parent.
  private func setParent(of entry: ShortEntry, to directory: FileID) throws {
    guard entry.attributes.kind == .directory else { return }
    var up = try dots(of: entry.firstCluster, isParent: true)
    up.firstCluster = try parentCluster(directory)
    try putDots(
      up, at: reader.heap.offset(of: entry.firstCluster) + UInt64(ShortEntry.size), cluster: entry.firstCluster)
  }

  /// Puts a file in another one's place, whose name stays and whose contents go.
  private func replace(
    _ target: Directory.Found, in goal: DirectoryIndex, _ newDirectory: FileID, with found: Directory.Found,
    from source: DirectoryIndex, name: FileName
  ) throws {
    let isDirectory = target.entry.attributes.kind == .directory
    guard isDirectory == (found.entry.attributes.kind == .directory) else {
      throw FileError(isDirectory ? .isADirectory : .notADirectory, name.description)
    }
    if isDirectory { try requireEmpty(reader.file(target, in: reader.directory(newDirectory)), name) }
    var entry = found.entry
    entry.name = target.entry.name
    try put(entry, into: Int(target.slots.upperBound) - 1, of: goal)
    try delete(found, from: source)
    if goal !== source { try setParent(of: entry, to: newDirectory) }
    try release(from: target.entry.firstCluster)
  }

  /// Gives a file a name that no other has.
  private func move(
    _ found: Directory.Found, from source: DirectoryIndex, to new: NewName, in goal: DirectoryIndex,
    _ newDirectory: FileID
  ) throws -> FileID {
    let own = Int(found.slots.lowerBound)..<Int(found.slots.upperBound)
    let isSame = goal === source
    guard let (short, needsLong) = goal.shortName(for: new, own: isSame ? own : nil) else {
      throw FileError(.directoryFull, FileName(utf16: new.units).description)
    }
    var entry = found.entry
    entry.name = short
    let count = 1 + (needsLong ? new.longEntries(for: short).count : 0)
    if isSame, let slots = slotsBeside(own, count: count, of: source) {
      try moveBeside(found, own, to: slots, entry, needsLong ? new : nil, in: source)
      return file(slots, of: source)
    }
    let slots = try makeSlots(count, in: goal, for: FileName(utf16: new.units).description)
    // Both names may have the same short one, which is the new one's from now on.
    source.remove(found)
    try put(entry, longName: needsLong ? new : nil, into: slots, of: goal)
    try erase(found, of: source)
    if !isSame { try setParent(of: entry, to: newDirectory) }
    return file(slots, of: goal)
  }

  /// Slots the last of which lies in one sector with the last of `own`, so that one write takes one name for the other.
  private func slotsBeside(_ own: Range<Int>, count: Int, of index: DirectoryIndex) -> Range<Int>? {
    let perUnit = volume.unit / ShortEntry.size
    let sector = (own.upperBound - 1) / perUnit
    // Its own slots can be used at once only where all of them change in that one write.
    let given = own.lowerBound / perUnit == sector ? own : nil
    let inPlace = (own.upperBound - count)..<own.upperBound
    if index.map.isFree(inPlace, given: given) { return inPlace }
    for last in (sector * perUnit)..<((sector + 1) * perUnit) {
      let slots = (last + 1 - count)..<(last + 1)
      if index.map.isFree(slots, given: given) { return slots }
    }
    return nil
  }

  /// Takes one name for another: parts in sectors before first, then the sector with both short entries, then the rest.
  private func moveBeside(
    _ found: Directory.Found, _ own: Range<Int>, to slots: Range<Int>, _ entry: ShortEntry, _ longName: NewName?,
    in index: DirectoryIndex
  ) throws {
    let perUnit = volume.unit / ShortEntry.size
    let sector = (own.upperBound - 1) / perUnit
    let known = index.map.isUsed
    state.changes.takesAway = true
    index.remove(found)
    try put(entry, longName: longName, into: slots, of: index)
    let old = own.filter { !slots.contains($0) && known[$0] }
    for slot in old.filter({ $0 / perUnit == sector }) + old.filter({ $0 / perUnit != sector }) {
      let (offset, cluster) = index.place(of: slot)
      try stageDirectory([ShortEntry.Mark.deleted], at: offset, cluster: cluster)
    }
  }
}
