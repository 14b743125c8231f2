/// Finds files by their paths; symbolic links stay inside the volume, whose root no `..` leaves.
package struct PathWalk {
  private let filesystem: any Filesystem
  /// Symbolic links that one path may lead through, as many as Linux allows (path_resolution(7)).
  package static let maximumLinkCount = 40
  /// Names that one path may have in all with its symbolic links followed.
  package static let maximumNameCount = 1 << 16

  package init(_ filesystem: any Filesystem) { self.filesystem = filesystem }

  /// A directory on the way: the names from the root, and the file that each stands for.
  package struct Place {
    /// From the root's first child to the file itself; empty for the root.
    package var names: [FileName] = []
    fileprivate var files: [FileID]

    fileprivate init(root: FileID) { files = [root] }

    /// The file.
    package var file: FileID { files[files.count - 1] }
    /// The directory that it lies in; the root's is the root.
    package var parent: FileID { files[max(files.count - 2, 0)] }
    /// The path without symbolic links.
    package var path: String { "/" + names.map(\.description).joined(separator: "/") }

    fileprivate mutating func enter(_ name: FileName, _ file: FileID) {
      names.append(name)
      files.append(file)
    }

    fileprivate mutating func leave() {
      guard !names.isEmpty else { return }
      names.removeLast()
      files.removeLast()
    }
  }

  /// The file at `path`, taken from the root whether it starts with a slash or not; throws `FileError` where there is none.
  ///
  /// A symbolic link at the end is followed unless `followsLast` is false; a path that ends in a slash follows it always.
  package func find(_ path: VolumePath, followsLast: Bool = true) throws -> Place {
    var place = Place(root: filesystem.root)
    var waiting = Array(path.names.reversed())
    var links = 0
    var steps = 0
    while let name = waiting.popLast() {
      steps += 1
      guard steps <= Self.maximumNameCount else { throw FileError(.tooManyLinks, path.description) }
      if name == .parent {
        place.leave()
        continue
      }
      let attributes = try filesystem.attributes(of: place.file)
      guard attributes.kind == .directory else { throw FileError(.notADirectory, place.path) }
      guard let file = try filesystem.lookup(name, in: place.file) else {
        throw FileError(.notFound, path.description)
      }
      let isLast = waiting.isEmpty && !path.needsDirectory
      guard !isLast || followsLast, try filesystem.attributes(of: file).kind == .symbolicLink else {
        place.enter(name, file)
        continue
      }
      links += 1
      guard links <= Self.maximumLinkCount else { throw FileError(.tooManyLinks, path.description) }
      let target = VolumePath(try filesystem.symbolicLinkTarget(of: file).bytes)
      guard waiting.count + target.names.count <= Self.maximumNameCount else {
        throw FileError(.tooManyLinks, path.description)
      }
      if target.isAbsolute { place = Place(root: filesystem.root) }
      waiting += target.names.reversed()
    }
    if path.needsDirectory, try filesystem.attributes(of: place.file).kind != .directory {
      throw FileError(.notADirectory, path.description)
    }
    return place
  }

  /// The directory that `path` would be made in, and its last name; throws where the parent is not there or the path ends
  /// in `..` or is the root.
  package func parent(of path: VolumePath) throws -> (directory: Place, name: FileName) {
    guard let name = path.names.last, name.isOrdinary else {
      throw FileError(.unsupported("does not end in a name"), path.description)
    }
    var bytes: [UInt8] = [UInt8(ascii: "/")]
    for name in path.names.dropLast() { bytes += name.bytes + [UInt8(ascii: "/")] }
    return (try find(VolumePath(bytes)), name)
  }
}
