import Browsing
import Filesystems

/// Steps that make, move and remove names.
extension StepRunner {
  /// Directories that may lie inside each other where all are removed.
  private static let maximumDepth = 4096

  func makeSymbolicLink(to target: FileName) throws {
    guard !target.bytes.isEmpty, !target.bytes.contains(0) else {
      throw FileError(.unsupported("a symbolic link needs a target"), step.path.inVolume)
    }
    outcome.detail = "to \(target)"
    let place = try locateTarget(step.path, follows: false)
    let (names, directory): ([FileName], FileID)
    var isReplaced = false
    switch place {
    case .existing(let found, _, let parent, let attributes):
      guard attributes.kind != .directory else { throw FileError(.isADirectory, Self.path(found)) }
      if step.refusesExisting { throw FileError(.alreadyExists, Self.path(found)) }
      (names, directory, isReplaced) = (found, parent, true)
    case .missing(let name, let parent, let directoryNames): (names, directory) = (directoryNames + [name], parent)
    }
    guard let name = names.last else { throw FileError(.isADirectory, "/") }
    let inherited = try Inheritance(.symbolicLink, permissions: 0o777, time: now, in: directory, of: filesystem)
    let link = try filesystem.transaction {
      if isReplaced { try filesystem.remove(name, from: directory) }
      let link = try filesystem.createSymbolicLink(
        name, to: target, in: directory, attributes: inherited.attributes)
      for one in inherited.extended { try filesystem.setExtendedAttribute(one.name, to: one.value, of: link) }
      return link
    }
    if isReplaced { volume.changes.removed(names) }
    volume.changes.touched(names, link)
    outcome.path = Self.path(names)
    outcome.verb = isReplaced ? "replaced by a symbolic link" : "created as a symbolic link"
  }

  func makeLink(to other: PatchPath) throws {
    let existing = try locateExisting(other, follows: false)
    guard existing.attributes.kind != .directory else { throw FileError(.isADirectory, Self.path(existing.names)) }
    switch try locateTarget(step.path, follows: false) {
    case .existing(let names, _, _, _): throw FileError(.alreadyExists, Self.path(names))
    case .missing(let name, let directory, let directoryNames):
      try filesystem.transaction { try filesystem.link(existing.file, as: name, in: directory) }
      volume.changes.touched(directoryNames + [name], existing.file)
      outcome.path = Self.path(directoryNames + [name])
      outcome.verb = "created as a hard link"
      outcome.detail = "to \(Self.path(existing.names))"
    }
  }

  func rename(to new: PatchPath) throws {
    let old = try locateExisting(step.path, follows: false)
    guard let oldName = old.names.last else { throw FileError(.unsupported("the root cannot be moved"), "/") }
    let (names, directory): ([FileName], FileID)
    switch try locateTarget(new, follows: false) {
    case .existing(let found, let file, let parent, let attributes):
      if step.refusesExisting { throw FileError(.alreadyExists, Self.path(found)) }
      guard file != old.file || found != old.names else {
        outcome.verb = "stays where it is"
        return
      }
      guard attributes.kind == .directory || old.attributes.kind != .directory else {
        throw FileError(.notADirectory, Self.path(found))
      }
      guard attributes.kind != .directory || old.attributes.kind == .directory else {
        throw FileError(.isADirectory, Self.path(found))
      }
      (names, directory) = (found, parent)
    case .missing(let name, let parent, let directoryNames): (names, directory) = (directoryNames + [name], parent)
    }
    guard let newName = names.last else { throw FileError(.isADirectory, "/") }
    guard !(names.count > old.names.count && names.starts(with: old.names)) else {
      throw FileError(.unsupported("a directory cannot go below itself"), Self.path(old.names))
    }
    _ = try filesystem.transaction {
      try filesystem.rename(oldName, in: old.parent, to: newName, in: directory)
    }
    try volume.changes.renamed(old.names, to: names) { try walk.find(VolumePath($0), followsLast: false).file }
    outcome.path = Self.path(old.names)
    outcome.verb = "renamed"
    outcome.detail = "to \(Self.path(names))"
  }

  func remove() throws {
    guard case .existing(let names, let file, let parent, let attributes) = try locate(step.path, follows: false)
    else {
      guard step.allowsMissing else { throw FileError(.notFound, step.path.inVolume) }
      return
    }
    guard let name = names.last else { throw FileError(.unsupported("the root cannot be removed"), "/") }
    outcome.path = Self.path(names)
    outcome.verb = "removed"
    if attributes.kind == .directory {
      guard step.isRecursive else { throw FileError(.isADirectory, Self.path(names)) }
      try empty(file, Self.path(names))
    }
    try filesystem.transaction { try filesystem.remove(name, from: parent) }
    if attributes.kind == .directory { outcome.folders += 1 }
    volume.changes.removed(names)
  }

  /// Removes everything in a directory, what lies deepest first.
  private func empty(_ directory: FileID, _ path: String) throws {
    var levels: [(directory: FileID, name: FileName?, waiting: [DirectoryEntry])] = [(directory, nil, [])]
    while let level = levels.last {
      if isStopped() { throw Stopped() }
      if level.waiting.isEmpty {
        // From the start each time, since what is removed may move the rest.
        let found = try filesystem.entries(of: level.directory, from: 0, limit: 64)
        levels[levels.count - 1].waiting = found
        guard found.isEmpty else { continue }
        levels.removeLast()
        guard let name = level.name, let above = levels.last else { continue }
        try filesystem.transaction { try filesystem.remove(name, from: above.directory) }
        outcome.folders += 1
        continue
      }
      let entry = levels[levels.count - 1].waiting.removeLast()
      if try filesystem.attributes(of: entry.file).kind == .directory {
        guard levels.count < Self.maximumDepth else {
          throw FileError(.unsupported("lies more than \(Self.maximumDepth) directories deep"), path)
        }
        levels.append((entry.file, entry.name, []))
      } else {
        try filesystem.transaction { try filesystem.remove(entry.name, from: level.directory) }
        outcome.files += 1
      }
    }
  }
}
