package import Filesystems

extension PathWalk.Place {
  /// The path from the volume's root without symbolic links.
  package var name: FileName { FileName(Array("/".utf8)).appending(names) }
}

/// A path inside a volume as a command line names it.
///
/// A path that is not there as it is written is looked for once more with each `\x…` as the byte that listings show so,
/// so that every name can be typed.
package struct PathArgument {
  private let text: String

  package init(_ text: String) { self.text = text }

  /// Finds the file; see `PathWalk.find`.
  package func find(in filesystem: any Filesystem, followsLast: Bool = true) throws -> PathWalk.Place {
    let walk = PathWalk(filesystem)
    do { return try walk.find(VolumePath(text), followsLast: followsLast) } catch let error as FileError {
      guard error.reason == .notFound, let bytes = unescaped else { throw error }
      return try walk.find(VolumePath(bytes), followsLast: followsLast)
    }
  }

  /// The path with each `\x` and two hexadecimal digits as one byte; nil where there are none.
  private var unescaped: [UInt8]? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    var isChanged = false
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\"), rest.first == UInt8(ascii: "x"), rest.count >= 3,
        let value = UInt8(String(decoding: rest.dropFirst().prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(3)
        isChanged = true
      } else {
        bytes.append(byte)
      }
    }
    return isChanged ? bytes : nil
  }
}
