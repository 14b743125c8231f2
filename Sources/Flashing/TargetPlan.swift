package import BlockIO
package import Images
package import SystemPackage

/// A target that was looked at and may be written, before anything is opened for writing.
package struct TargetPlan: Sendable {
  /// What a target is.
  package enum Kind: Sendable {
    case device(BlockDevice)
    /// A regular file; nil status where it does not exist yet.
    case file(FileStatus?)
    /// Standard output.
    case pipe
  }

  /// The path as given, and with links resolved.
  package let name: String
  package let path: FilePath
  package let kind: Kind
  /// What the user should know, such as where a link leads.
  package let notes: [String]

  /// Looks at `name` and refuses what must not be written: nothing is opened for writing and nothing is created.
  package init(_ name: String, images: [ImageFile]) throws {
    self.name = name
    guard name != "-" else {
      path = "-"
      kind = .pipe
      notes = []
      return
    }
    guard !name.isEmpty else { throw TargetRefusal("the target's name is empty") }
    let given = FilePath(name)
    let resolved = try Self.resolve(given)
    path = resolved.path
    notes =
      resolved.path == given.lexicallyNormalized() || !resolved.isLink
      ? [] : ["\(name) is a link to \(resolved.path)"]
    kind = try Self.examine(name, resolved.path, status: resolved.status, images: images)
  }

  /// Follows links, and decides whether a missing file may be created.
  private static func resolve(_ given: FilePath) throws -> (path: FilePath, status: FileStatus?, isLink: Bool) {
    if let status = try? FileStatus.of(given) {
      return (given.resolved ?? given, status, FileStatus.isLink(given))
    }
    if FileStatus.isLink(given) { throw TargetRefusal("\(given) is a link to something that does not exist") }
    guard let last = given.lastComponent else { throw TargetRefusal("\(given) does not exist") }
    let folder = given.removingLastComponent()
    guard let parent = (folder.isEmpty ? FilePath(".") : folder).resolved else {
      throw TargetRefusal("\(given) cannot be created: there is no folder \(folder)")
    }
    let path = parent.appending(last)
    for system: FilePath in ["/dev", "/proc", "/sys"] where path.starts(with: system) {
      throw TargetRefusal("\(path) does not exist, and nothing is created below \(system): is the device plugged in?")
    }
    return (path, nil, false)
  }

  private static func examine(
    _ name: String, _ path: FilePath, status: FileStatus?, images: [ImageFile]
  ) throws -> Kind {
    guard let status else { return .file(nil) }
    switch status.kind {
    case .blockDevice:
      guard let device = BlockDevice(status) else {
        throw TargetRefusal("\(name) is the node of a device that the kernel does not have")
      }
      try check(device, named: name, images: images)
      return .device(device)
    case .regular:
      try check(status, named: name, images: images)
      return .file(status)
    case .directory: throw TargetRefusal("\(name) is a folder; name a block device or a file")
    case .characterDevice: throw TargetRefusal("\(name) is a character device, not a disk")
    case .fifo: throw TargetRefusal("\(name) is a FIFO, not a disk; use -dst - to write to a pipe")
    default: throw TargetRefusal("\(name) is neither a block device nor a regular file")
    }
  }

  private static func check(_ device: BlockDevice, named name: String, images: [ImageFile]) throws {
    let holders = Holders()
    let use = holders.use(of: device)
    if let use, use.isSystem { throw TargetRefusal("\(name) is not written: \(use.text)") }
    for image in images {
      if let conflict = holders.conflict(of: device, with: image) {
        throw TargetRefusal("\(name) is not written: \(conflict)")
      }
    }
    if let use { throw TargetRefusal("\(name) is not written: \(use.text)") }
  }

  private static func check(_ file: FileStatus, named name: String, images: [ImageFile]) throws {
    if let image = images.first(where: { $0.identity == file.identity }) {
      throw TargetRefusal("\(name) is not written: it is the same file as the image \(image.path)")
    }
    if let use = Holders().use(of: file.identity) { throw TargetRefusal("\(name) is not written: \(use)") }
  }

  /// Whether the target is a whole disk, which has a partition table or none, rather than a partition or a file.
  package var isWholeDisk: Bool { if case .device(let device) = kind { !device.isPartition } else { false } }

  /// What the target is and holds, in a line or more, for the question before it is overwritten; nil if nothing is lost.
  package var existing: String? {
    switch kind {
    case .pipe: nil
    case .file(let status): status.flatMap { $0.size > 0 ? "\(path): a file of \($0.size) bytes" : nil }
    case .device(let device): DiskDescription(device, path: path).text
    }
  }
}
