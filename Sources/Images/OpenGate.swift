package import BlockIO
import Bytes
package import SystemPackage

/// The only way to open a file whose name stands inside an image.
///
/// An image may come from anyone; its names open only below the folder of the file that the user named, unless the user
/// says otherwise, and never as anything but a file.
package struct OpenGate: Sendable {
  /// The folders that names may lead into, links resolved.
  private var folders: [FilePath] = []
  private let allowsOutside: Bool
  private let format: String

  /// A gate for an image of `format` at `path`, nil for standard input.
  package init(for path: FilePath?, format: String, allowsOutside: Bool) {
    self.format = format
    self.allowsOutside = allowsOutside
    if let path { admit(folderOf: path) }
  }

  /// Admits the folder of another file that the user named.
  package mutating func admit(folderOf path: FilePath) {
    if let folder = Self.folder(of: path).resolved { folders.append(folder) }
  }

  private static func folder(of path: FilePath) -> FilePath {
    let folder = path.removingLastComponent()
    return folder.isEmpty ? "." : folder
  }

  /// Opens the file that `name` means inside the file `owner`; `what` says for messages what the name is for, such as
  /// `backing file`.
  package func open(_ name: [UInt8], of what: String, in owner: FilePath?, label: String) throws -> FileSource {
    let text = String(decoding: name, as: UTF8.self)
    func refusal(_ detail: String) -> ImageError {
      ImageError(.refused, format: format, file: label, "the \(what) \"\(text)\" \(detail)")
    }
    guard !name.contains(0), !name.isEmpty else { throw refusal("has a name that no file can have") }
    guard !Self.hasProtocol(name) else {
      throw refusal("is not a plain file name; names with a protocol and json: are never opened")
    }
    let named = unsafe name.map { CChar(bitPattern: $0) }.withUnsafeBufferPointer { bytes in
      unsafe FilePath(platformString: Array(bytes) + [0])
    }
    let path = try resolve(named, owner, refusal)
    guard allowsOutside || isInside(path.resolved ?? path) else {
      throw refusal(
        "is outside the image's folder; if you trust the image, allow it with --allow-backing-outside")
    }
    return try openFile(path.resolved ?? path, refusal)
  }

  /// The full name of what `name` means beside the file `owner`.
  private func resolve(
    _ name: FilePath, _ owner: FilePath?, _ refusal: (String) -> ImageError
  ) throws(ImageError) -> FilePath {
    if name.isAbsolute { return name.lexicallyNormalized() }
    guard let owner, let folder = Self.folder(of: owner).resolved else {
      throw refusal("cannot be found, since the image does not come from a named file; use --backing")
    }
    let path = folder.pushing(name)
    // Where the file is missing, `..` still must not tell what exists elsewhere.
    return path.resolved ?? path.lexicallyNormalized()
  }

  private func isInside(_ path: FilePath) -> Bool {
    folders.contains { path != $0 && path.starts(with: $0) }
  }

  /// Opens a resolved name, after a look at what it is, without following a link put there since.
  private func openFile(_ path: FilePath, _ refusal: (String) -> ImageError) throws -> FileSource {
    let before = try FileStatus.of(path)
    switch before.kind {
    case .regular: break
    case .blockDevice:
      guard allowsOutside else {
        throw refusal("is a block device; if you trust the image, allow it with --allow-backing-outside")
      }
    case .directory: throw refusal("is a directory")
    case .characterDevice: throw refusal("is a character device")
    case .fifo: throw refusal("is a FIFO")
    case .socket, .other: throw refusal("is not a regular file")
    }
    let source = try FileSource(OpenFile(path, .readOnly, options: [.nonBlocking, .noFollow]))
    guard source.status.identity == before.identity, source.status.kind == before.kind else {
      throw refusal("was replaced while it was opened")
    }
    return source
  }

  /// Whether qemu would take the name for a protocol's: a colon before the first slash.
  private static func hasProtocol(_ name: [UInt8]) -> Bool {
    let stop = name.first { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "/") }
    return stop == UInt8(ascii: ":")
  }
}
