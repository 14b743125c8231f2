import Browsing
import Filesystems

/// Steps that change modes and owners.
extension StepRunner {
  func changeAttributes() throws {
    let found = try locateExisting(step.path, follows: true)
    outcome.path = Self.path(found.names)
    try change(found.file, found.attributes, found.names)
    guard step.changesAllBelow, found.attributes.kind == .directory else { return }
    let visitor = AttributeVisitor(self, start: found.names)
    try TreeWalk(filesystem, isStopped: isStopped).walk(
      found.file, named: found.names.last ?? "/", path: "", visitor)
  }

  /// Changes one file; a symbolic link has no mode of its own.
  fileprivate func change(_ file: FileID, _ attributes: FileAttributes, _ names: [FileName]) throws {
    var wanted = attributes
    wanted.changed = now
    switch step.action {
    case .setMode(let mode):
      guard attributes.kind != .symbolicLink else { return }
      outcome.verb = "mode set"
      outcome.detail = "0" + String(mode, radix: 8)
      wanted.permissions = mode
    case .setOwner(let owner, let group):
      wanted.owner = owner ?? attributes.owner
      wanted.group = group ?? attributes.group
      outcome.verb = "owner set"
      outcome.detail = "\(wanted.owner):\(wanted.group)"
    default: return
    }
    let list = try accessControl(of: file, for: wanted, was: attributes)
    let final = wanted
    try filesystem.transaction {
      try filesystem.setAttributes(final, of: file)
      if let list { try filesystem.setExtendedAttribute(AccessControl.access, to: list.value, of: file) }
    }
    volume.changes.touched(names, file)
  }

  /// The file's ACL as chmod(2) leaves it; nil where there is none, or nothing to change in it.
  private func accessControl(
    of file: FileID, for wanted: FileAttributes, was attributes: FileAttributes
  ) throws -> AccessControl? {
    guard wanted.permissions != attributes.permissions,
      let found = try filesystem.extendedAttributes(of: file).first(where: { $0.name == AccessControl.access }),
      var list = AccessControl(found.value)
    else { return nil }
    list.set(wanted.permissions)
    return list
  }
}

/// Changes everything below a directory.
private final class AttributeVisitor: TreeVisitor {
  private let runner: StepRunner
  private let start: [FileName]

  init(_ runner: StepRunner, start: [FileName]) {
    self.runner = runner
    self.start = start
  }

  func enter(_ directory: TreeWalk.Node) throws -> Bool {
    try visit(directory)
    return true
  }

  func leave(_ directory: TreeWalk.Node) {}

  func visit(_ file: TreeWalk.Node) throws {
    let names = VolumePath(file.path.bytes).names
    guard !names.isEmpty else { return }
    try runner.change(file.file, file.attributes, start + names)
    if file.attributes.kind == .directory { runner.outcome.folders += 1 } else { runner.outcome.files += 1 }
  }

  func fail(_ path: FileName, _ error: any Error) throws { throw error }
}
