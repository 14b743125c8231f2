import BlockIO
package import Filesystems

/// What is done with each file of a tree.
package protocol TreeVisitor: AnyObject {
  /// A directory, before what is in it; false leaves that out, and `leave` too.
  func enter(_ directory: TreeWalk.Node) throws -> Bool
  /// The directory that was entered last and not left, after what is in it.
  func leave(_ directory: TreeWalk.Node) throws
  /// A file that is no directory.
  func visit(_ file: TreeWalk.Node) throws
  /// Something below `path` that cannot be read or is not to be trusted; the walk goes on behind it.
  func fail(_ path: FileName, _ error: any Error) throws
}

/// Goes through a tree, directories before their contents, in memory that does not grow with the size of the tree.
///
/// A directory that is met again on the way down, or anywhere else among the first 262144, is damage: it is not entered
/// twice.
package final class TreeWalk {
  /// A file or directory on the way.
  package struct Node {
    package let name: FileName
    package let file: FileID
    package let attributes: FileAttributes
    /// The names from the start of the walk, with slashes between them.
    package let path: FileName
  }

  /// A directory that is being gone through.
  private struct Level {
    let name: FileName
    let file: FileID
    let attributes: FileAttributes
    /// Length of its path in bytes.
    let pathLength: Int
    /// What was read of it and not yet dealt with, last first.
    var waiting: [DirectoryEntry] = []
    var position: UInt64 = 0
    var isAtEnd = false
  }

  /// Directories that may lie inside each other.
  package static let maximumDepth = 4096
  /// Directories that are remembered, so that none is entered twice.
  private static let rememberedCount = 1 << 18
  /// Entries read at once near the top of the tree, and far down, where many levels hold some.
  private static let batch = (near: 256, far: 8, level: 16)

  private let filesystem: any Filesystem
  private let isStopped: () -> Bool
  private var levels: [Level] = []
  /// The path of the innermost directory.
  private var path: [UInt8] = []
  private var ancestors: Set<FileID> = []
  private var remembered: Set<FileID> = []

  /// `isStopped` is asked before each file.
  package init(_ filesystem: any Filesystem, isStopped: @escaping () -> Bool) {
    self.filesystem = filesystem
    self.isStopped = isStopped
  }

  /// Shows `file`, called `path` (its last name is its own), and what is below it to `visitor`.
  package func walk(_ file: FileID, named name: FileName, path: FileName, _ visitor: any TreeVisitor) throws {
    (levels, ancestors, remembered) = ([], [], [])
    self.path = []
    try meet(name, file, path: path, visitor)
    while !levels.isEmpty {
      if isStopped() { throw Stopped() }
      if let entry = try nextEntry(visitor) {
        let path = FileName(self.path).appending(entry.name)
        guard entry.name.isOrdinary else {
          try visitor.fail(
            path, ImageError(.damaged, format: filesystem.type, "a directory entry has an impossible name"))
          continue
        }
        try meet(entry.name, entry.file, path: path, visitor)
      } else {
        try leave(visitor)
      }
    }
  }

  private func leave(_ visitor: any TreeVisitor) throws {
    let left = levels.removeLast()
    ancestors.remove(left.file)
    let node = Node(name: left.name, file: left.file, attributes: left.attributes, path: FileName(path))
    path.removeLast(path.count - (levels.last?.pathLength ?? 0))
    try visitor.leave(node)
  }

  /// The next entry of the innermost directory; nil at its end, and where the rest cannot be read.
  private func nextEntry(_ visitor: any TreeVisitor) throws -> DirectoryEntry? {
    let last = levels.count - 1
    if let entry = levels[last].waiting.popLast() { return entry }
    guard !levels[last].isAtEnd else { return nil }
    let limit = levels.count <= Self.batch.level ? Self.batch.near : Self.batch.far
    do {
      let batch = try filesystem.entries(of: levels[last].file, from: levels[last].position, limit: limit)
      guard let end = batch.last else {
        levels[last].isAtEnd = true
        return nil
      }
      levels[last].position = end.next
      levels[last].waiting = batch.reversed()
      return levels[last].waiting.popLast()
    } catch {
      levels[last].isAtEnd = true
      try visitor.fail(FileName(path), error)
      return nil
    }
  }

  private func meet(_ name: FileName, _ file: FileID, path: FileName, _ visitor: any TreeVisitor) throws {
    let node: Node
    do {
      node = Node(name: name, file: file, attributes: try filesystem.attributes(of: file), path: path)
    } catch { return try visitor.fail(path, error) }
    guard node.attributes.kind == .directory else { return try visitor.visit(node) }
    guard levels.count < Self.maximumDepth else {
      return try visitor.fail(
        path, FileError(.unsupported("lies more than \(Self.maximumDepth) directories deep"), "\(path)"))
    }
    guard !ancestors.contains(file), !remembered.contains(file) else {
      return try visitor.fail(
        path, ImageError(.damaged, format: filesystem.type, "this directory lies in two places, so it is left out here")
      )
    }
    guard try visitor.enter(node) else { return }
    ancestors.insert(file)
    if remembered.count < Self.rememberedCount { remembered.insert(file) }
    self.path = path.bytes
    levels.append(Level(name: name, file: file, attributes: node.attributes, pathLength: path.bytes.count))
  }
}

extension FileName {
  /// The path that leads to `name` in the directory that this one leads to.
  package func appending(_ name: FileName) -> FileName {
    bytes.isEmpty || bytes.last == UInt8(ascii: "/")
      ? FileName(bytes + name.bytes) : FileName(bytes + [UInt8(ascii: "/")] + name.bytes)
  }
}
