package import Filesystems

/// What files and directories should be after random changes, to compare with what a volume shows.
///
/// The same seed makes the same changes on volumes of one kind.
package final class FilesystemModel {
  /// What a kind of volume can do.
  package struct Rules: Sendable {
    /// Whether names that differ only in case are one.
    package var foldsCase = false
    /// Whether owners, all permissions, links, symbolic links, special files and extended attributes are kept.
    package var isUnix = true
    /// Whether extended attributes are tried.
    package var hasExtendedAttributes = true
    /// Largest file in bytes.
    package var mostBytes = 200_000
    /// Bytes of a name at most.
    package var longestName = 255

    package init() {}
    package static let unix = Rules()
    package static var dos: Rules {
      var rules = Rules()
      (rules.foldsCase, rules.isUnix, rules.hasExtendedAttributes) = (true, false, false)
      return rules
    }
  }

  /// A file; several names may lead to one.
  final class Node {
    let kind: FileKind
    var bytes: [UInt8] = []
    var children: [String: Node] = [:]
    var links = 1
    var permissions: UInt16
    var owner: (UInt32, UInt32) = (0, 0)
    var target = ""
    var extended: [String: [UInt8]] = [:]
    /// Seconds; nil where it is not known.
    var modified: Int64?

    init(_ kind: FileKind, permissions: UInt16) {
      self.kind = kind
      self.permissions = permissions
    }
  }

  let rules: Rules
  private var random: SeededRandom
  let top = Node(.directory, permissions: 0o755)
  /// How many changes were refused for want of space.
  package private(set) var refusals = 0
  /// The changes so far, for a test's message.
  package private(set) var steps: [String] = []

  package init(_ rules: Rules, seed: UInt64) {
    self.rules = rules
    random = SeededRandom(seed: seed)
  }

  /// Makes `count` random changes, each a transaction.
  package func change(_ filesystem: any WritableFilesystem, count: Int) throws {
    for _ in 0..<count {
      do { try changeOnce(filesystem) } catch let error as FileError
        where error.reason == .noSpace || error.reason == .directoryFull
      {
        refusals += 1
        steps.append("  refused: \(error)")
      } catch {
        throw ShellError(description: "\(error) after \(steps.suffix(5).joined(separator: "; "))")
      }
    }
  }

  /// A directory of the model with the driver's identity of it.
  private struct Place {
    let path: String
    let node: Node
    let file: FileID
  }

  private func changeOnce(_ filesystem: any WritableFilesystem) throws {
    let place = try directory(filesystem)
    let child = place.node.children.keys.sorted().randomElement(using: &random)
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<25: try makeFile(filesystem, place)
    case 25..<33: try makeDirectory(filesystem, place)
    case 33..<38 where rules.isUnix: try makeSymbolicLink(filesystem, place)
    case 38..<41 where rules.isUnix: try makeSpecial(filesystem, place)
    default:
      guard let child, let node = place.node.children[child] else { return try makeFile(filesystem, place) }
      try change(child, node, in: place, filesystem)
    }
  }

  private func change(
    _ name: String, _ node: Node, in place: Place, _ filesystem: any WritableFilesystem
  ) throws {
    guard let file = try filesystem.lookup(FileName(name), in: place.file) else {
      throw ShellError(description: "\(place.path)/\(name) is not found")
    }
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<20: try remove(name, node, place, filesystem)
    case 20..<40: try rename(name, node, place, filesystem)
    case 40..<50: try setAttributes(name, node, file, filesystem)
    case 50..<60 where rules.hasExtendedAttributes && (node.kind == .regular || node.kind == .directory):
      try setExtended(name, node, file, filesystem)
    case 60..<70 where rules.isUnix && node.kind != .directory: try link(name, node, file, filesystem)
    default:
      guard node.kind == .regular else { return try makeFile(filesystem, place) }
      try changeContents(name, node, file, filesystem)
    }
  }

  private func step(_ text: String) { steps.append(text) }

  /// A random directory, found by its names.
  private func directory(_ filesystem: any WritableFilesystem) throws -> Place {
    var place = Place(path: "", node: top, file: filesystem.root)
    while Int.random(in: 0..<3, using: &random) > 0 {
      let folders = place.node.children.filter { $0.value.kind == .directory }.keys.sorted()
      guard let name = folders.randomElement(using: &random), let node = place.node.children[name] else { break }
      guard let file = try filesystem.lookup(FileName(name), in: place.file) else {
        throw ShellError(description: "\(place.path)/\(name) is not found")
      }
      place = Place(path: place.path + "/" + name, node: node, file: file)
    }
    return place
  }

  /// A name that the directory does not have.
  private func freshName(in node: Node) -> String {
    while true {
      let name = randomName()
      let taken = rules.foldsCase ? node.children.keys.contains { $0.uppercased() == name.uppercased() } : false
      if !taken, node.children[name] == nil { return name }
    }
  }

  private func randomName() -> String {
    let number = Int.random(in: 0..<100_000, using: &random)
    switch Int.random(in: 0..<6, using: &random) {
    case 0: return "F\(number).TXT"
    case 1: return "f\(number)"
    case 2: return "A longer name with spaces \(number).text"
    case 3: return "äöü-\(number)-Привет.dat"
    case 4:
      let count = min(rules.longestName, 255) - 8
      return String(repeating: "n", count: Int.random(in: 20...count, using: &random)) + ".\(number)"
    default: return "Mixed\(number).Case"
    }
  }

  /// Random bytes with runs of zeroes.
  private func randomBytes() -> [UInt8] {
    let most = Int.random(in: 0..<4, using: &random) == 0 ? rules.mostBytes : min(rules.mostBytes, 8000)
    let count = Int.random(in: 0...most, using: &random)
    var bytes = [UInt8](repeating: 0, count: count)
    var index = 0
    while index < count {
      let run = Int.random(in: 1...20000, using: &random)
      if Bool.random(using: &random) {
        var seed = random.next()
        for place in index..<min(index + run, count) {
          seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
          bytes[place] = UInt8(truncatingIfNeeded: seed >> 56)
        }
      }
      index += run
    }
    return bytes
  }

  private func attributes(_ node: Node) -> FileAttributes {
    var attributes = FileAttributes(
      kind: node.kind, permissions: node.permissions, owner: node.owner.0, group: node.owner.1, byteCount: 0,
      allocatedByteCount: 0, modified: Timestamp(seconds: 1_700_000_000))
    if node.kind == .characterDevice || node.kind == .blockDevice { attributes.device = .init(major: 8, minor: 300) }
    return attributes
  }

  private func makeFile(_ filesystem: any WritableFilesystem, _ place: Place) throws {
    let name = freshName(in: place.node)
    let node = Node(.regular, permissions: 0o644)
    node.bytes = randomBytes()
    step("make \(place.path)/\(name) of \(node.bytes.count) bytes")
    try filesystem.transaction {
      let file = try filesystem.create(FileName(name), in: place.file, attributes: attributes(node))
      try filesystem.replaceContents(of: file, with: BytesContents(node.bytes))
    }
    place.node.children[name] = node
  }

  private func makeDirectory(_ filesystem: any WritableFilesystem, _ place: Place) throws {
    let name = freshName(in: place.node)
    let node = Node(.directory, permissions: 0o755)
    step("make directory \(place.path)/\(name)")
    _ = try filesystem.transaction {
      try filesystem.create(FileName(name), in: place.file, attributes: attributes(node))
    }
    place.node.children[name] = node
  }

  private func makeSymbolicLink(_ filesystem: any WritableFilesystem, _ place: Place) throws {
    let name = freshName(in: place.node)
    let node = Node(.symbolicLink, permissions: 0o777)
    node.target = String(repeating: "t/", count: Int.random(in: 1...400, using: &random))
    step("make link \(place.path)/\(name) of \(node.target.count) bytes")
    _ = try filesystem.transaction {
      try filesystem.createSymbolicLink(
        FileName(name), to: FileName(node.target), in: place.file, attributes: attributes(node))
    }
    place.node.children[name] = node
  }

  private func makeSpecial(_ filesystem: any WritableFilesystem, _ place: Place) throws {
    let name = freshName(in: place.node)
    let kinds: [FileKind] = [.fifo, .socket, .characterDevice, .blockDevice]
    let node = Node(kinds.randomElement(using: &random) ?? .fifo, permissions: 0o600)
    step("make \(node.kind.name) \(place.path)/\(name)")
    _ = try filesystem.transaction {
      try filesystem.create(FileName(name), in: place.file, attributes: attributes(node))
    }
    place.node.children[name] = node
  }

  private func remove(
    _ name: String, _ node: Node, _ place: Place, _ filesystem: any WritableFilesystem
  ) throws {
    step("remove \(place.path)/\(name)")
    guard node.children.isEmpty else {
      do {
        try filesystem.transaction { try filesystem.remove(FileName(name), from: place.file) }
      } catch let error as FileError where error.reason == .directoryNotEmpty { return }
      throw ShellError(description: "\(name) was removed although it is not empty")
    }
    try filesystem.transaction { try filesystem.remove(FileName(name), from: place.file) }
    place.node.children[name] = nil
    node.links -= 1
  }

  private func rename(
    _ name: String, _ node: Node, _ place: Place, _ filesystem: any WritableFilesystem
  ) throws {
    let other = try directory(filesystem)
    guard !other.path.hasPrefix(place.path + "/" + name), other.path != place.path + "/" + name else { return }
    var newName = freshName(in: other.node)
    let replaced = other.node.children.filter {
      $0.value !== node && ($0.value.kind == .directory) == (node.kind == .directory) && $0.value.children.isEmpty
    }.keys.sorted().randomElement(using: &random)
    if let replaced, Bool.random(using: &random) { newName = replaced }
    step("rename \(place.path)/\(name) to \(other.path)/\(newName)")
    let new = try filesystem.transaction {
      try filesystem.rename(FileName(name), in: place.file, to: FileName(newName), in: other.file)
    }
    other.node.children[newName]?.links -= 1
    place.node.children[name] = nil
    other.node.children[newName] = node
    guard try filesystem.lookup(FileName(newName), in: other.file) == new else {
      throw ShellError(description: "\(newName) has another identity than its rename said")
    }
  }

  private func link(_ name: String, _ node: Node, _ file: FileID, _ filesystem: any WritableFilesystem) throws {
    let other = try directory(filesystem)
    let newName = freshName(in: other.node)
    step("link \(name) as \(other.path)/\(newName)")
    try filesystem.transaction { try filesystem.link(file, as: FileName(newName), in: other.file) }
    node.links += 1
    other.node.children[newName] = node
  }

  private func setAttributes(_ name: String, _ node: Node, _ file: FileID, _ filesystem: any WritableFilesystem) throws
  {
    guard node.kind != .symbolicLink else { return }
    var attributes = try filesystem.attributes(of: file)
    let modified = Int64.random(in: 500_000_000...900_000_000, using: &random) * 2
    let masks: [UInt16] = rules.isUnix ? [0o600, 0o755, 0o4711, 0o1777] : [attributes.permissions]
    let permissions = masks.randomElement(using: &random) ?? 0o600
    let owner = rules.isUnix ? UInt32.random(in: 0...100_000, using: &random) : attributes.owner
    step("set \(name): \(String(permissions, radix: 8)), owner \(owner), modified \(modified)")
    attributes.permissions = permissions
    (attributes.owner, attributes.group) = (owner, rules.isUnix ? owner / 2 : attributes.group)
    attributes.modified = Timestamp(seconds: modified)
    try filesystem.transaction { try filesystem.setAttributes(attributes, of: file) }
    node.permissions = permissions
    if rules.isUnix { node.owner = (owner, owner / 2) }
    if node.kind == .regular { node.modified = modified }
  }

  private func setExtended(_ name: String, _ node: Node, _ file: FileID, _ filesystem: any WritableFilesystem) throws {
    let key = "user.k\(Int.random(in: 0..<4, using: &random))"
    let count = Int.random(in: 1...600, using: &random)
    let value = Bool.random(using: &random) ? randomBytes().prefix(count) : nil
    step("attribute \(key) of \(name): \(value.map { "\($0.count) bytes" } ?? "none")")
    let bytes = value.map { Array($0) }
    if bytes == nil, node.extended[key] == nil { return }
    try filesystem.transaction { try filesystem.setExtendedAttribute(FileName(key), to: bytes, of: file) }
    node.extended[key] = bytes
  }

  private func changeContents(
    _ name: String, _ node: Node, _ file: FileID, _ filesystem: any WritableFilesystem
  ) throws {
    let bytes = randomBytes()
    switch Int.random(in: 0..<3, using: &random) {
    case 0:
      step("replace \(name) by \(bytes.count) bytes")
      try filesystem.transaction { try filesystem.replaceContents(of: file, with: BytesContents(bytes)) }
      node.bytes = bytes
    case 1 where node.bytes.count + bytes.count <= rules.mostBytes * 2:
      step("append \(bytes.count) bytes to \(name) of \(node.bytes.count)")
      try filesystem.transaction { try filesystem.append(BytesContents(bytes), to: file) }
      node.bytes += bytes
    default:
      let size = Int.random(in: 0...max(node.bytes.count * 2, 1), using: &random)
      guard size <= rules.mostBytes * 2 else { return }
      step("truncate \(name) from \(node.bytes.count) to \(size) bytes")
      try filesystem.transaction { try filesystem.truncate(file, to: UInt64(size)) }
      node.bytes = Array(node.bytes.prefix(size)) + [UInt8](repeating: 0, count: max(size - node.bytes.count, 0))
    }
    node.modified = nil
  }
}
