import Filesystems

/// Steps that change what is in files.
extension StepRunner {
  /// Permissions of a new file whose source has none.
  private static let permissions: UInt16 = 0o644

  func put(_ source: PatchSource) throws {
    let contents = try host.contents(of: source)
    outcome.byteCount = contents.byteCount
    switch try locateTarget(step.path, follows: true) {
    case .existing(let names, let file, _, let attributes):
      try requireRegular(names, attributes)
      if step.refusesExisting { throw FileError(.alreadyExists, Self.path(names)) }
      outcome.path = Self.path(names)
      outcome.verb = "replaced"
      outcome.oldByteCount = attributes.byteCount
      try filesystem.transaction { try filesystem.replaceContents(of: file, with: contents) }
      volume.changes.replaced(
        names, file, linkCount: attributes.linkCount, by: .step(source), count: contents.byteCount)
    case .missing(let name, let directory, let directoryNames):
      try makeFile(name, in: directory, directoryNames, contents, .step(source))
    }
  }

  func append(_ source: PatchSource) throws {
    let contents = try host.contents(of: source)
    switch try locateTarget(step.path, follows: true) {
    case .existing(let names, let file, _, let attributes):
      try requireRegular(names, attributes)
      outcome.path = Self.path(names)
      outcome.verb = "appended to"
      outcome.oldByteCount = attributes.byteCount
      let (size, overflow) = attributes.byteCount.addingReportingOverflow(contents.byteCount)
      guard !overflow else { throw FileError(.fileTooLarge, Self.path(names)) }
      outcome.byteCount = size
      try filesystem.transaction { try filesystem.append(contents, to: file) }
      volume.changes.appended(
        names, file, linkCount: attributes.linkCount, at: attributes.byteCount, .step(source),
        count: contents.byteCount)
    case .missing(let name, let directory, let directoryNames):
      outcome.byteCount = contents.byteCount
      try makeFile(name, in: directory, directoryNames, contents, .step(source))
    }
  }

  /// Makes a regular file with contents.
  private func makeFile(
    _ name: FileName, in directory: FileID, _ directoryNames: [FileName], _ contents: HostContents,
    _ origin: ContentsOrigin
  ) throws {
    let inherited = try Inheritance(
      .regular, permissions: contents.permissions ?? Self.permissions, time: now, in: directory, of: filesystem)
    let names = directoryNames + [name]
    outcome.path = Self.path(names)
    outcome.verb = "created"
    let file = try filesystem.transaction {
      let file = try create(name, in: directory, inherited)
      if contents.byteCount > 0 { try filesystem.replaceContents(of: file, with: contents) }
      return file
    }
    volume.changes.replaced(names, file, linkCount: 1, by: origin, count: contents.byteCount)
  }

  func touch() throws {
    switch try locate(step.path, follows: true) {
    case .existing(let names, let file, _, var attributes):
      outcome.path = Self.path(names)
      outcome.verb = "touched"
      attributes.modified = now
      if attributes.accessed != nil { attributes.accessed = now }
      let wanted = attributes
      try filesystem.transaction { try filesystem.setAttributes(wanted, of: file) }
      volume.changes.touched(names, file)
    case .missing(let name, let directory, let directoryNames):
      guard !step.allowsMissing else { return }
      try makeFile(name, in: directory, directoryNames, HostContents([]), .step(.bytes([])))
    }
  }

  func truncate(to byteCount: UInt64) throws {
    outcome.byteCount = byteCount
    switch try locate(step.path, follows: true) {
    case .existing(let names, let file, _, let attributes):
      try requireRegular(names, attributes)
      outcome.path = Self.path(names)
      outcome.verb = "truncated"
      outcome.oldByteCount = attributes.byteCount
      try filesystem.transaction { try filesystem.truncate(file, to: byteCount) }
      volume.changes.truncated(names, file, linkCount: attributes.linkCount, to: byteCount)
    case .missing(let name, let directory, let directoryNames):
      guard !step.allowsMissing else { return }
      let inherited = try Inheritance(
        .regular, permissions: Self.permissions, time: now, in: directory, of: filesystem)
      let names = directoryNames + [name]
      outcome.path = Self.path(names)
      outcome.verb = "created"
      let file = try filesystem.transaction {
        let file = try create(name, in: directory, inherited)
        try filesystem.truncate(file, to: byteCount)
        return file
      }
      volume.changes.touched(names, file)
    }
  }

  /// Refuses what has no contents of its own.
  private func requireRegular(_ names: [FileName], _ attributes: FileAttributes) throws {
    guard attributes.kind == .regular else {
      throw FileError(attributes.kind == .directory ? .isADirectory : .notARegularFile, Self.path(names))
    }
  }
}
