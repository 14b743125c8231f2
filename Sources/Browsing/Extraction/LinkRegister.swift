import BlockIO
import Filesystems

/// Where files with several hard links were extracted to first; each is forgotten once all its links are seen.
struct LinkRegister {
  /// The first of a file's names.
  struct First {
    let folder: DestinationFolder
    let name: FileName
    /// What the name stood for when it was made.
    let identity: FileStatus.Identity
    fileprivate var linksLeft: UInt32
  }

  /// The most files that are remembered; further ones are extracted once for each of their links.
  static let limit = 1 << 20
  private var firsts: [FileID: First] = [:]

  /// The first name of the file that `node` is another link to.
  func first(of node: TreeWalk.Node) -> First? { node.attributes.linkCount > 1 ? firsts[node.file] : nil }

  /// Notes that a name of the file was made.
  mutating func note(
    _ node: TreeWalk.Node, in folder: DestinationFolder, name: FileName, _ identity: FileStatus.Identity
  ) {
    guard node.attributes.linkCount > 1 else { return }
    if var known = firsts[node.file], known.identity == identity {
      known.linksLeft -= 1
      firsts[node.file] = known.linksLeft > 1 ? known : nil
    } else if firsts.count < Self.limit || firsts[node.file] != nil {
      firsts[node.file] = First(folder: folder, name: name, identity: identity, linksLeft: node.attributes.linkCount)
    }
  }
}
