import BlockIO
package import Filesystems
import Glibc
package import SystemPackage

/// Where an extraction goes, from the destination on a command line: into a folder, or to a new name.
package struct ExtractionTarget {
  /// A folder that exists.
  package let root: FilePath
  /// The name that the file or tree gets in it; nil for its own.
  package let name: FileName?

  /// Looks at `destination`, which takes `sourceCount` files or trees, one of which `isFolder`.
  ///
  /// Throws `DestinationRefusal` for what must not be replaced and where there is no folder to make it in.
  package init(_ destination: String, sourceCount: Int, isFolder: Bool) throws {
    let path = FilePath(destination)
    guard !destination.isEmpty else { throw DestinationRefusal("the destination's name is empty") }
    let status = try? FileStatus.of(path)
    if status?.kind == .directory {
      (root, name) = (path, nil)
      return
    }
    guard sourceCount == 1 else { throw DestinationRefusal("\(destination) is no folder, which several files need") }
    if let status, status.kind != .regular {
      throw DestinationRefusal("\(destination) is a device or pipe, not a file; - writes to standard output")
    }
    guard let last = path.lastComponent, last.kind == .regular else {
      throw DestinationRefusal("\(destination) does not exist")
    }
    if destination.hasSuffix("/"), !isFolder { throw DestinationRefusal("there is no folder \(destination)") }
    if isFolder, status != nil { throw DestinationRefusal("\(destination) is a file, and a folder is to go there") }
    let parent = path.removingLastComponent()
    root = parent.isEmpty ? "." : parent
    guard (try? FileStatus.of(root))?.kind == .directory else {
      throw DestinationRefusal("\(destination) cannot be made: there is no folder \(root)")
    }
    name = FileName(last.string)
  }
}

/// A destination that must not be written, and why, in a sentence.
package struct DestinationRefusal: Error, Sendable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
