import BlockIO
import Bytes
package import Filesystems

/// Names: made, linked, removed, renamed.
extension ExtVolume {
  /// Hard links of a file, at most.
  private static let mostLinks: UInt16 = 65000
  /// Bytes of a name, at most.
  private static let longestName = 255

  package func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID {
    guard attributes.kind != .symbolicLink else {
      throw FileError(.unsupported("a symbolic link needs a target"), name.description)
    }
    return try add(name, in: directory, attributes) { record, changes in
      switch attributes.kind {
      case .regular: try changes.makeEmpty(&record)
      case .directory:
        record.clearMap(changes.superblock)
        try DirectoryEditor.initialise(&record, parent: UInt32(truncatingIfNeeded: directory.number), changes)
      case .characterDevice, .blockDevice:
        guard let device = attributes.device, record.setDevice(device) else {
          throw FileError(.unsupported("a device needs numbers below 4096 and 1048576"), name.description)
        }
      default: break
      }
    }
  }

  package func createSymbolicLink(
    _ name: FileName, to target: FileName, in directory: FileID, attributes: FileAttributes
  ) throws -> FileID {
    guard !target.bytes.isEmpty, !target.bytes.contains(0) else {
      throw FileError(.unsupported("a symbolic link's target cannot be empty or contain a NUL"), name.description)
    }
    guard target.bytes.count < blocks.blockSize, target.bytes.count < 4096 else {
      throw FileError(.nameTooLong, name.description)
    }
    var attributes = attributes
    attributes.kind = .symbolicLink
    return try add(name, in: directory, attributes) { record, changes in
      try changes.setTarget(of: &record, to: target.bytes)
    }
  }

  /// Makes an inode of its own for a new name; `fill` gives it contents and may write blocks.
  private func add(
    _ name: FileName, in directory: FileID, _ attributes: FileAttributes,
    _ fill: (inout InodeRecord, Changes) throws -> Void
  ) throws -> FileID {
    let changes = try changes
    try requireFree(name, in: directory)
    let number = try changes.allocateInode(attributes.kind, in: UInt32(truncatingIfNeeded: directory.number))
    let parent = try changes.record(directory.number)
    var record = changes.newRecord(number)
    record.mode = attributes.mode
    (record.owner, record.group) = (attributes.owner, attributes.group)
    record.linkCount = attributes.kind == .directory ? 2 : 1
    record.generation = UInt32.random(in: 1...UInt32.max)
    record.inherit(from: parent)
    record.setTimes(of: attributes, now: changes.now)
    record.setCreated(attributes.created ?? changes.now)
    // Written first, so that what reads the inode meanwhile finds it.
    try changes.write(record)
    try fill(&record, changes)
    try changes.write(record)
    try DirectoryEditor(parent.number, changes).insert(name, inode: number, kind: attributes.kind)
    try touch(directory, links: attributes.kind == .directory ? 1 : 0)
    return FileID(UInt64(number))
  }

  package func link(_ file: FileID, as name: FileName, in directory: FileID) throws {
    let changes = try changes
    var record = try changes.record(file.number)
    guard let kind = record.kind, kind != .directory else { throw FileError(.isADirectory, name.description) }
    try requireFree(name, in: directory)
    guard record.linkCount < Self.mostLinks else { throw FileError(.tooManyHardLinks, name.description) }
    record.linkCount += 1
    record.setChanged(changes.now)
    try changes.write(record)
    try DirectoryEditor(UInt32(truncatingIfNeeded: directory.number), changes)
      .insert(name, inode: record.number, kind: kind)
    try touch(directory, links: 0)
  }

  package func remove(_ name: FileName, from directory: FileID) throws {
    let changes = try changes
    try requireChangeable(directory, for: name)
    guard let file = try lookup(name, in: directory) else { throw FileError(.notFound, name.description) }
    let record = try changes.record(file.number)
    let isDirectory = record.kind == .directory
    if isDirectory { try requireEmpty(record, name) }
    try DirectoryEditor(UInt32(truncatingIfNeeded: directory.number), changes).remove(name)
    try unlink(record)
    try touch(directory, links: isDirectory ? -1 : 0)
  }

  package func rename(
    _ name: FileName, in directory: FileID, to newName: FileName, in newDirectory: FileID
  ) throws -> FileID {
    let changes = try changes
    try requireChangeable(directory, for: name)
    try requireChangeable(newDirectory, for: newName)
    guard let file = try lookup(name, in: directory) else { throw FileError(.notFound, name.description) }
    var record = try changes.record(file.number)
    guard let kind = record.kind else { throw FileError(.notFound, name.description) }
    if kind == .directory { try requireOutside(record.number, newDirectory, newName) }
    let target = try lookup(newName, in: newDirectory)
    let source = DirectoryEditor(UInt32(truncatingIfNeeded: directory.number), changes)
    let place = DirectoryEditor(UInt32(truncatingIfNeeded: newDirectory.number), changes)
    var gained: Int32 = kind == .directory ? 1 : 0
    if let target, target == file {
      // Another name of the same file stays; the same name in another case is replaced.
      guard directory == newDirectory, name != newName, try isFolded(directory), try isOneName(name, newName, directory)
      else { return file }
      try source.remove(name)
      try place.insert(newName, inode: record.number, kind: kind)
      gained = 0
    } else if let target {
      let old = try changes.record(target.number)
      try requireReplaceable(old, by: kind, newName)
      try place.replace(newName, inode: record.number, kind: kind)
      try unlink(old)
      if old.kind == .directory { gained = 0 }
      try source.remove(name)
    } else {
      try place.insert(newName, inode: record.number, kind: kind)
      try source.remove(name)
    }
    if kind == .directory, directory != newDirectory {
      try DirectoryEditor(record.number, changes).setParent(UInt32(truncatingIfNeeded: newDirectory.number))
    }
    record = try changes.record(file.number)
    record.setChanged(changes.now)
    try changes.write(record)
    if target != file { try touch(directory, links: kind == .directory ? -1 : 0) }
    try touch(newDirectory, links: gained)
    return file
  }

  // MARK: - Conditions

  private func requireFree(_ name: FileName, in directory: FileID) throws {
    guard name.isOrdinary else { throw FileError(.unsupported("is not a possible name"), name.description) }
    guard name.bytes.count <= Self.longestName else { throw FileError(.nameTooLong, name.description) }
    try requireChangeable(directory, for: name)
    guard try lookup(name, in: directory) == nil else { throw FileError(.alreadyExists, name.description) }
  }

  /// Throws unless `directory` is one whose names can be changed.
  private func requireChangeable(_ directory: FileID, for name: FileName) throws {
    let inode = try blocks.inode(directory.number)
    guard inode.kind == .directory else { throw FileError(.notADirectory, name.description) }
    guard !inode.flags.contains(.encrypted) else { throw FileError(.encrypted, name.description) }
    guard name.isOrdinary, name.bytes.count <= Self.longestName else {
      throw FileError(.unsupported("is not a possible name"), name.description)
    }
  }

  private func requireEmpty(_ record: InodeRecord, _ name: FileName) throws {
    guard try DirectoryEditor(record.number, changes).isEmpty() else {
      throw FileError(.directoryNotEmpty, name.description)
    }
  }

  private func requireReplaceable(_ old: InodeRecord, by kind: FileKind, _ name: FileName) throws {
    if kind == .directory {
      guard old.kind == .directory else { throw FileError(.notADirectory, name.description) }
      try requireEmpty(old, name)
    } else if old.kind == .directory {
      throw FileError(.isADirectory, name.description)
    }
  }

  /// Throws if `directory` is the directory `number` or lies below it.
  private func requireOutside(_ number: UInt32, _ directory: FileID, _ name: FileName) throws {
    var place = directory.number
    var steps: UInt64 = 0
    while place != Self.rootInode {
      guard place != UInt64(number) else {
        throw FileError(.unsupported("a directory cannot be moved below itself"), name.description)
      }
      steps += 1
      guard steps <= UInt64(blocks.superblock.inodeCount) else {
        throw blocks.damaged("directories contain each other")
      }
      place = try blocks.parent(of: blocks.inode(place))
    }
  }

  private func isFolded(_ directory: FileID) throws -> Bool {
    try blocks.inode(directory.number).flags.contains(.casefold)
  }

  /// Whether two names that lead to one file are one entry of `directory`.
  private func isOneName(_ name: FileName, _ newName: FileName, _ directory: FileID) throws -> Bool {
    var position: UInt64 = 0
    while true {
      let batch = try entries(of: directory, from: position, limit: 1024)
      guard let last = batch.last else { return true }
      if batch.contains(where: { $0.name == newName }) { return false }
      position = last.next
    }
  }

  // MARK: - Inodes

  /// Takes one name off a file; the file goes with its last one.
  private func unlink(_ old: InodeRecord) throws {
    let changes = try changes
    var record = old
    guard record.kind != .directory, record.linkCount > 1 else {
      guard changes.isTooMuch(record) else { return try changes.erase(record) }
      record.linkCount = 0
      return try changes.addOrphan(&record)
    }
    record.linkCount -= 1
    record.setChanged(changes.now)
    try changes.write(record)
  }

  /// Sets a directory's times and counts the directories in it; one with very many counts no longer (dir_nlink).
  private func touch(_ directory: FileID, links difference: Int32) throws {
    let changes = try changes
    var record = try changes.record(directory.number)
    record.setModified(changes.now)
    record.setChanged(changes.now)
    let isCounted = record.linkCount != 1
    if difference > 0, isCounted {
      if record.linkCount >= Self.mostLinks - 1 {
        guard blocks.superblock.readOnly.contains(.manyDirectories) else {
          throw FileError(.tooManyHardLinks, "directory \(directory.number)")
        }
        record.linkCount = 1
      } else {
        record.linkCount += 1
      }
    } else if difference < 0, record.linkCount > 2 {
      record.linkCount -= 1
    }
    try changes.write(record)
  }
}
