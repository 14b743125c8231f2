import BlockIO
import Browsing
import Filesystems

/// Copies what is in a folder of the host into a directory of a volume.
///
/// Directories that are there keep what they are; files that are there get new contents, mode and times; what is new gets
/// the host's modes, times and attributes, and belongs to root unless owners are kept.
final class TreeCopy {
  private let runner: StepRunner
  private let folder: HostTree
  private let keepsOwners: Bool
  /// Where files with several links went first.
  private var links: [FileStatus.Identity: [FileName]] = [:]
  /// The directories on the way, outermost first, with their names and whether this copy made them.
  private var levels: [(file: FileID, names: [FileName], isNew: Bool)] = []
  /// Extended attributes that the volume does not keep.
  private var leftOut = 0

  private var filesystem: any WritableFilesystem { runner.filesystem }
  private var changes: ChangeLog { runner.volume.changes }

  init(_ runner: StepRunner, _ folder: String, keepsOwners: Bool) {
    self.runner = runner
    self.folder = HostTree(folder)
    self.keepsOwners = keepsOwners
  }

  func run() throws {
    let root = try folder.root()
    var byteCount: UInt64 = 0
    switch try runner.locateTarget(runner.step.path, follows: true) {
    case .existing(let names, let file, _, let attributes):
      guard attributes.kind == .directory else { throw FileError(.notADirectory, StepRunner.path(names)) }
      levels = [(file, names, false)]
      runner.outcome.verb = "filled"
    case .missing(let name, let directory, let directoryNames):
      levels = [(directory, directoryNames, false)]
      try makeDirectory(root, name)
      levels.removeFirst()
      runner.outcome.verb = "created"
    }
    let top = levels[0]
    runner.outcome.path = StepRunner.path(top.names)
    try folder.forEach(below: root) { node in
      if runner.isStopped() { throw Stopped() }
      guard let name = node.names.last else { return }
      // The directories that are done with have been left.
      if node.attributes.kind == .directory { return try makeDirectory(node, name) }
      try copy(node, name)
      runner.outcome.files += 1
      if node.attributes.kind == .regular { byteCount += node.attributes.byteCount }
    } left: {
      try leave($0)
    }
    if top.isNew { try setTimes(of: root, top.file) }
    runner.outcome.byteCount = byteCount
    if leftOut > 0 { runner.outcome.detail = "\(leftOut) extended attributes not kept: the volume has none such" }
  }

  /// A transaction, whose body may be run twice.
  private func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    let before = leftOut
    return try filesystem.transaction {
      leftOut = before
      return try body()
    }
  }

  // MARK: Directories

  private func makeDirectory(_ node: HostNode, _ name: FileName) throws {
    let parent = levels[levels.count - 1]
    let names = parent.names + [name]
    guard let file = try filesystem.lookup(name, in: parent.file) else {
      let inherited = try inheritance(node, in: parent.file)
      let made = try transaction {
        let made = try runner.create(name, in: parent.file, inherited)
        try setExtendedAttributes(of: node, made)
        return made
      }
      changes.touched(names, made)
      levels.append((made, names, true))
      runner.outcome.folders += 1
      return
    }
    // A link to a directory is as good as one: /lib is one on many systems.
    let place = try filesystem.attributes(of: file).kind == .symbolicLink ? runner.walk.find(VolumePath(names)) : nil
    let found = place?.file ?? file
    guard try filesystem.attributes(of: found).kind == .directory else {
      throw FileError(.notADirectory, StepRunner.path(names))
    }
    levels.append((found, place?.names ?? names, false))
    runner.outcome.folders += 1
  }

  private func leave(_ node: HostNode) throws {
    let left = levels.removeLast()
    if left.isNew { try setTimes(of: node, left.file) }
  }

  /// What was made in a directory has changed its times.
  private func setTimes(of node: HostNode, _ file: FileID) throws {
    var attributes = try filesystem.attributes(of: file)
    attributes.modified = node.attributes.modified
    if attributes.accessed != nil { attributes.accessed = node.attributes.accessed }
    let wanted = attributes
    try transaction { try filesystem.setAttributes(wanted, of: file) }
  }

  // MARK: Files

  private func copy(_ node: HostNode, _ name: FileName) throws {
    let parent = levels[levels.count - 1]
    if node.attributes.linkCount > 1, try link(node, name) { return }
    switch node.attributes.kind {
    case .regular: try copyRegular(node, name)
    case .symbolicLink:
      let target = try node.target()
      try replace(node, name) { directory, inherited in
        try filesystem.createSymbolicLink(name, to: target, in: directory, attributes: inherited.attributes)
      }
    default:
      try replace(node, name) { directory, inherited in
        try filesystem.create(name, in: directory, attributes: inherited.attributes)
      }
    }
    if node.attributes.linkCount > 1, links[node.identity] == nil { links[node.identity] = parent.names + [name] }
  }

  /// Makes another name for what another link was copied to; false where that is not known or the volume has no links.
  private func link(_ node: HostNode, _ name: FileName) throws -> Bool {
    guard let first = links[node.identity], let place = try? runner.walk.find(VolumePath(first), followsLast: false)
    else { return false }
    let parent = levels[levels.count - 1]
    let names = parent.names + [name]
    let old = try filesystem.lookup(name, in: parent.file)
    guard old != place.file else { return true }
    if let old, try filesystem.attributes(of: old).kind == .directory {
      throw FileError(.isADirectory, StepRunner.path(names))
    }
    do {
      try transaction {
        if old != nil { try filesystem.remove(name, from: parent.file) }
        try filesystem.link(place.file, as: name, in: parent.file)
      }
    } catch let error as FileError {
      switch error.reason {
      case .unsupported, .tooManyHardLinks: return false
      default: throw error
      }
    }
    changes.removed(names)
    changes.touched(names, place.file)
    return true
  }

  private func copyRegular(_ node: HostNode, _ name: FileName) throws {
    let parent = levels[levels.count - 1]
    let contents = try node.contents()
    guard let old = try filesystem.lookup(name, in: parent.file) else {
      let inherited = try inheritance(node, in: parent.file)
      let names = parent.names + [name]
      let file = try transaction {
        let file = try runner.create(name, in: parent.file, inherited)
        if contents.byteCount > 0 { try filesystem.replaceContents(of: file, with: contents) }
        try setExtendedAttributes(of: node, file)
        try setAttributes(inherited.attributes, of: file)
        return file
      }
      return changes.replaced(names, file, linkCount: 1, by: .node(node), count: contents.byteCount)
    }
    try replaceContents(of: old, parent.names + [name], by: contents, of: node)
  }

  /// Gives a file that is there what the host's has.
  private func replaceContents(
    of found: FileID, _ foundNames: [FileName], by contents: HostContents, of node: HostNode
  ) throws {
    var (file, names) = (found, foundNames)
    var attributes = try filesystem.attributes(of: file)
    if attributes.kind == .symbolicLink {
      let place = try runner.walk.find(VolumePath(names))
      (file, names) = (place.file, place.names)
      attributes = try filesystem.attributes(of: file)
    }
    guard attributes.kind == .regular else {
      throw FileError(
        attributes.kind == .directory ? .isADirectory : .notARegularFile, StepRunner.path(names))
    }
    var wanted = attributes
    wanted.permissions = permissions(of: node)
    if keepsOwners { (wanted.owner, wanted.group) = (node.attributes.owner, node.attributes.group) }
    wanted.modified = node.attributes.modified
    if wanted.accessed != nil { wanted.accessed = node.attributes.accessed }
    wanted.changed = runner.now
    let (final, target) = (wanted, file)
    try transaction {
      try filesystem.replaceContents(of: target, with: contents)
      try setExtendedAttributes(of: node, target)
      try setAttributes(final, of: target)
    }
    changes.replaced(names, file, linkCount: attributes.linkCount, by: .node(node), count: contents.byteCount)
  }

  /// Makes what has no contents, in place of what is there unless that is a directory.
  private func replace(
    _ node: HostNode, _ name: FileName, make: (FileID, Inheritance) throws -> FileID
  ) throws {
    let parent = levels[levels.count - 1]
    let names = parent.names + [name]
    let old = try filesystem.lookup(name, in: parent.file)
    if let old, try filesystem.attributes(of: old).kind == .directory {
      throw FileError(.isADirectory, StepRunner.path(names))
    }
    let inherited = try inheritance(node, in: parent.file)
    let file = try transaction {
      if old != nil { try filesystem.remove(name, from: parent.file) }
      let file = try make(parent.file, inherited)
      for one in inherited.extended { try filesystem.setExtendedAttribute(one.name, to: one.value, of: file) }
      try setExtendedAttributes(of: node, file)
      return file
    }
    if old != nil { changes.removed(names) }
    changes.touched(names, file)
  }

  // MARK: Attributes

  /// The host's permissions; set-ID bits only with the owner whom they are for.
  private func permissions(of node: HostNode) -> UInt16 {
    let isDirectory = node.attributes.kind == .directory
    return node.attributes.permissions & (keepsOwners || isDirectory ? 0o7777 : 0o1777)
  }

  private func inheritance(_ node: HostNode, in directory: FileID) throws -> Inheritance {
    var inherited = try Inheritance(
      node.attributes.kind, permissions: permissions(of: node), owner: keepsOwners ? node.attributes.owner : 0,
      group: keepsOwners ? node.attributes.group : nil, time: node.attributes.modified, in: directory, of: filesystem,
      takesACL: false)
    inherited.attributes.accessed = node.attributes.accessed
    inherited.attributes.device = node.attributes.device
    return inherited
  }

  /// Sets mode, owner and times, or the times alone on a volume that keeps no such modes or owners.
  private func setAttributes(_ wanted: FileAttributes, of file: FileID) throws {
    do { try filesystem.setAttributes(wanted, of: file) } catch let error as FileError {
      guard case .unsupported = error.reason else { throw error }
      var times = try filesystem.attributes(of: file)
      times.modified = wanted.modified
      if times.accessed != nil { times.accessed = wanted.accessed }
      try filesystem.setAttributes(times, of: file)
    }
  }

  /// Sets what the host's file has; what the volume does not keep is counted.
  private func setExtendedAttributes(of node: HostNode, _ file: FileID) throws {
    for one in try node.extendedAttributes() {
      // A capability is as good as a set-user-ID bit.
      if !keepsOwners, one.name.bytes.starts(with: "security.".utf8) { continue }
      do { try filesystem.setExtendedAttribute(one.name, to: one.value, of: file) } catch let error as FileError {
        guard case .unsupported = error.reason else { throw error }
        leftOut += 1
      }
    }
  }
}
