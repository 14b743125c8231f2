import BlockIO
import Browsing
import Filesystems

/// Does one step in one volume, each change of a file a transaction of its own, all of them a group.
///
/// The same code runs in the rehearsal and in earnest: what a store makes of the writes is the difference.
final class StepRunner {
  let step: PatchStep
  let volume: PatchedVolume
  let host: HostFiles
  let isStopped: () -> Bool
  let now = Timestamp.now
  var outcome: StepOutcome

  var filesystem: any WritableFilesystem { volume.filesystem }
  var walk: PathWalk { PathWalk(volume.filesystem) }

  init(_ step: PatchStep, in volume: PatchedVolume, host: HostFiles, isStopped: @escaping () -> Bool) {
    self.step = step
    self.volume = volume
    self.host = host
    self.isStopped = isStopped
    outcome = StepOutcome(step, volume)
  }

  /// Does the step; throws `FileError`, `ImageError`, `IOError`, `HostUnreadable` or `Stopped`.
  ///
  /// All that the step has changed is on the medium afterwards, also after an error.
  func run() throws -> StepOutcome {
    try volume.touch()
    try filesystem.group { try change() }
    return outcome
  }

  private func change() throws {
    if step.makesParents { try makeParents(of: target.path) }
    outcome.path = target.inVolume
    switch step.action {
    case .put(let source): try put(source)
    case .append(let source): try append(source)
    case .makeDirectory: try makeDirectory()
    case .remove: try remove()
    case .symbolicLink(let target): try makeSymbolicLink(to: target)
    case .link(let other): try makeLink(to: other)
    case .setMode, .setOwner: try changeAttributes()
    case .rename(let new): try rename(to: new)
    case .tree(let folder, let keepsOwners): try TreeCopy(self, folder, keepsOwners: keepsOwners).run()
    case .touch: try touch()
    case .truncate(let byteCount): try truncate(to: byteCount)
    }
  }

  /// The path whose directories are made: the new one of a rename.
  private var target: PatchPath {
    if case .rename(let new) = step.action { return new }
    return step.path
  }

  // MARK: Places

  /// What a path leads to.
  enum Place {
    /// A file, with its names from the root, its directory, and what stat(2) tells.
    case existing(names: [FileName], file: FileID, parent: FileID, FileAttributes)
    /// Nothing yet: a name in a directory, which has these names.
    case missing(name: FileName, directory: FileID, directoryNames: [FileName])
  }

  /// What `path` leads to; a symbolic link at its end is followed if `follows` is true.
  func locate(_ path: PatchPath, follows: Bool) throws -> Place {
    guard let last = path.path.names.last, last.isOrdinary else {
      let found = try walk.find(path.path)
      return .existing(
        names: found.names, file: found.file, parent: found.parent, try filesystem.attributes(of: found.file))
    }
    let (directory, name) = try walk.parent(of: path.path)
    guard try filesystem.attributes(of: directory.file).kind == .directory else {
      throw FileError(.notADirectory, directory.path)
    }
    guard let file = try filesystem.lookup(name, in: directory.file) else {
      return .missing(name: name, directory: directory.file, directoryNames: directory.names)
    }
    let attributes = try filesystem.attributes(of: file)
    guard attributes.kind == .symbolicLink, follows || path.path.needsDirectory else {
      return .existing(names: directory.names + [name], file: file, parent: directory.file, attributes)
    }
    do {
      let found = try walk.find(path.path)
      return .existing(
        names: found.names, file: found.file, parent: found.parent, try filesystem.attributes(of: found.file))
    } catch let error as FileError where error.reason == .notFound {
      throw FileError(
        .unsupported("is a symbolic link to something that this volume does not have; name the file that is meant"),
        path.inVolume)
    }
  }

  /// What the step's path leads to, or, if that is a directory and the step has a name for what goes into one, the name
  /// in it.
  func locateTarget(_ path: PatchPath, follows: Bool) throws -> Place {
    let place = try locate(path, follows: follows)
    guard let name = step.nameInDirectory else { return place }
    if step.requiresDirectory { return try locate(directory(path).appending(name), follows: follows) }
    if !follows, case .existing(_, _, _, let attributes) = place, attributes.kind == .symbolicLink,
      case .existing(_, _, _, let behind)? = try? locate(path, follows: true), behind.kind == .directory
    {
      return try locate(path.appending(name), follows: follows)
    }
    guard case .existing(_, _, _, let attributes) = place, attributes.kind == .directory else { return place }
    return try locate(path.appending(name), follows: follows)
  }

  /// `path`, which must be a directory or lead to one.
  private func directory(_ path: PatchPath) throws -> PatchPath {
    let found = try locateExisting(path, follows: true)
    guard found.attributes.kind == .directory else { throw FileError(.notADirectory, Self.path(found.names)) }
    return path
  }

  /// A file that must be there.
  func locateExisting(
    _ path: PatchPath, follows: Bool
  ) throws -> (names: [FileName], file: FileID, parent: FileID, attributes: FileAttributes) {
    guard case .existing(let names, let file, let parent, let attributes) = try locate(path, follows: follows) else {
      throw FileError(.notFound, path.inVolume)
    }
    return (names, file, parent, attributes)
  }

  /// The path with these names.
  static func path(_ names: [FileName]) -> String { "/" + names.map(\.description).joined(separator: "/") }

  // MARK: Making

  /// Makes the directories on the way to `path` that are not there.
  func makeParents(of path: VolumePath) throws {
    let names = Array(path.names.dropLast())
    var known = names.count
    while known > 0 {
      do {
        _ = try walk.find(VolumePath(names.prefix(known)))
        break
      } catch let error as FileError where error.reason == .notFound { known -= 1 }
    }
    guard known < names.count else { return }
    var place = try walk.find(VolumePath(names.prefix(known)))
    for name in names[known...] {
      guard name.isOrdinary else { throw FileError(.notFound, path.description) }
      guard try filesystem.attributes(of: place.file).kind == .directory else {
        throw FileError(.notADirectory, place.path)
      }
      let inherited = try Inheritance(.directory, permissions: 0o755, time: now, in: place.file, of: filesystem)
      let names = place.names + [name]
      let made = try filesystem.transaction { try create(name, in: place.file, inherited) }
      volume.changes.touched(names, made)
      outcome.folders += 1
      place = try walk.find(VolumePath(names))
    }
  }

  /// Makes a file with all that it inherits; only inside a transaction.
  func create(_ name: FileName, in directory: FileID, _ inherited: Inheritance) throws -> FileID {
    let file = try filesystem.create(name, in: directory, attributes: inherited.attributes)
    for one in inherited.extended { try filesystem.setExtendedAttribute(one.name, to: one.value, of: file) }
    return file
  }

  private func makeDirectory() throws {
    switch try locate(step.path, follows: true) {
    case .existing(let names, _, _, let attributes):
      guard step.makesParents, attributes.kind == .directory else {
        throw FileError(.alreadyExists, Self.path(names))
      }
      outcome.verb = "exists already"
    case .missing(let name, let directory, let directoryNames):
      let inherited = try Inheritance(.directory, permissions: 0o755, time: now, in: directory, of: filesystem)
      let made = try filesystem.transaction { try create(name, in: directory, inherited) }
      volume.changes.touched(directoryNames + [name], made)
      outcome.path = Self.path(directoryNames + [name])
      outcome.verb = "created"
    }
  }
}
