import Filesystems

extension WritableExFATVolume {
  func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID {
    try requireKind(attributes.kind, name)
    let units = try name.dosUnits(for: "exFAT")
    let index = try index(of: state.current(directory))
    guard index.slots(of: units) == nil else { throw FileError(.alreadyExists, name.description) }
    var set = EntrySet(name: units, hash: EntrySet.hash(units, reader.description.upcase), attributes: attributes)
    let (slots, leavesOut) = try makeSlots(
      set.bytes.count / DirectorySlots.slotSize, in: index, state.current(directory), for: name.description)
    if attributes.kind == .directory {
      let runs = try extend(&set.stream, by: 1, for: name.description)
      try clear(runs)
      noteFresh(runs)
      set.stream.byteCount = reader.heap.clusterSize
      set.stream.validByteCount = reader.heap.clusterSize
    }
    try putSet(set.bytes, into: slots, leavesOut: leavesOut, of: index, name: units)
    let file = try file(slots, of: index, in: directory)
    state.noteNew(file)
    return file
  }

  func remove(_ name: FileName, from directory: FileID) throws {
    let index = try index(of: state.current(directory))
    let old = try find(name, in: index)
    try requireEmpty(old, in: index, directory, name)
    try delete(old, from: index)
    try release(old.set.stream)
  }

  /// Throws where the set is a directory's that holds something.
  private func requireEmpty(
    _ old: StoredSet, in index: DirectoryIndex, _ directory: FileID, _ name: FileName
  ) throws {
    guard old.set.attributes.kind == .directory else { return }
    try requireEmpty(file(old.slots, of: index, in: directory), name)
  }

  func rename(
    _ name: FileName, in directory: FileID, to newName: FileName, in newDirectory: FileID
  ) throws -> FileID {
    let units = try newName.dosUnits(for: "exFAT")
    let source = try index(of: state.current(directory))
    let old = try find(name, in: source)
    let goal = try index(of: state.current(newDirectory))
    if old.set.attributes.kind == .directory, goal !== source {
      try requireNotBelow(goal, try file(old.slots, of: source, in: directory), newName)
    }
    if let slots = goal.slots(of: units), goal !== source || slots != old.slots {
      let target = try stored(slots, in: goal)
      try replace(target, in: goal, newDirectory, with: old, from: source, name: newName)
      return try rename(FileName(utf16: target.set.name), in: newDirectory, to: newName, in: newDirectory)
    }
    guard goal !== source || old.set.name != units else { return try file(old.slots, of: source, in: directory) }
    guard let bytes = old.renamed(to: units, hash: EntrySet.hash(units, reader.description.upcase)) else {
      throw FileError(.nameTooLong, newName.description)
    }
    return try move(old, from: source, directory, to: goal, newDirectory, as: bytes, name: units)
  }

  /// Gives a file a name that no other has.
  private func move(
    _ old: StoredSet, from source: DirectoryIndex, _ directory: FileID, to goal: DirectoryIndex,
    _ newDirectory: FileID, as bytes: [UInt8], name: [UInt16]
  ) throws -> FileID {
    let before = try file(old.slots, of: source, in: directory)
    let slots: Range<Int>
    if goal === source {
      slots = try move(old, as: bytes, name: name, in: source, state.current(directory))
    } else {
      let leavesOut: Bool
      (slots, leavesOut) = try makeSlots(
        bytes.count / DirectorySlots.slotSize, in: goal, state.current(newDirectory),
        for: FileName(utf16: name).description)
      try putSet(bytes, into: slots, leavesOut: leavesOut, of: goal, name: name)
      try delete(old, from: source)
    }
    let after = try file(slots, of: goal, in: newDirectory)
    state.noteMove(of: before, to: after)
    return after
  }

  /// Puts a file in another one's place, whose name stays and whose contents go.
  private func replace(
    _ target: StoredSet, in goal: DirectoryIndex, _ newDirectory: FileID, with old: StoredSet,
    from source: DirectoryIndex, name: FileName
  ) throws {
    let isDirectory = target.set.attributes.kind == .directory
    guard isDirectory == (old.set.attributes.kind == .directory) else {
      throw FileError(isDirectory ? .isADirectory : .notADirectory, name.description)
    }
    try requireEmpty(target, in: goal, newDirectory, name)
    try store(old.set, of: file(target.slots, of: goal, in: newDirectory))
    try delete(old, from: source)
    try release(target.set.stream)
  }

  /// Throws where the directory of `index` is `moved` or lies below it.
  private func requireNotBelow(_ index: DirectoryIndex, _ moved: FileID, _ name: FileName) throws {
    var waiting = [moved]
    var seen: Set<FileID> = []
    while let directory = waiting.popLast() {
      guard seen.insert(directory).inserted else { continue }
      guard try reader.directory(directory).firstCluster != index.firstCluster || index.firstCluster == 0 else {
        throw FileError(.unsupported("a directory cannot be moved below itself"), name.description)
      }
      try forEachDirectory(in: directory) { waiting.append($0) }
    }
  }
}
