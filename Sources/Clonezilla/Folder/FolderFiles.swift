package import BlockIO
import Bytes
import Images
package import SystemPackage

/// The files of a Clonezilla folder, which are opened by their names in it and never anywhere else.
package struct FolderFiles: Sendable {
  package let path: FilePath
  package let names: Set<String>
  private let gate: OpenGate
  /// What the folder's checksum files say; empty where they are not to be compared.
  package private(set) var checksums: ChecksumFiles

  /// The most bytes that a list or a table may have.
  static let largestText = 4 << 20

  /// Lists the folder at `path`; throws `IOError`, and `ImageError` for checksum files that cannot be read.
  package init(_ path: FilePath, allowsOutside: Bool, comparesChecksums: Bool) throws {
    _ = try OpenFile(path, .readOnly, options: .directory)
    self.path = path
    names = Set(directoryEntries(path))
    gate = OpenGate(for: path.appending("parts"), format: "clonezilla", allowsOutside: allowsOutside)
    checksums = ChecksumFiles()
    guard comparesChecksums else { return }
    self.checksums = try ChecksumFiles(in: self)
  }

  /// Whether there is a file called `name`.
  package func has(_ name: String) -> Bool { names.contains(name) }

  /// The whole name of the file called `name`.
  package func path(_ name: String) -> FilePath { path.appending(name) }

  /// Opens the file called `name`; throws `ImageError` for one that is not in the folder or no regular file.
  package func open(_ name: String) throws -> FileSource {
    try gate.open(Array(name.utf8), of: "file", in: path.appending("parts"), label: path.string)
  }

  /// The bytes of the file called `name`, compared with the checksum that there may be; nil where there is no such
  /// file; throws `ImageError` where it has more than `limit` bytes.
  package func bytes(_ name: String, limit: Int = largestText) throws -> [UInt8]? {
    guard has(name) else { return nil }
    let file = try open(name)
    guard file.byteCount <= UInt64(limit) else {
      throw damaged(
        name, "it has \(describeSize(file.byteCount)), and such a file has at most \(describeSize(UInt64(limit)))")
    }
    let size = Int(file.byteCount)
    var buffer = Buffer(count: size)
    var span = buffer.mutablePrefix(size)
    let count = try file.readUpToEnd(at: 0, into: &span)
    let bytes = buffer.prefix(count).array
    try checksums.compare(bytes, of: name, in: self)
    return bytes
  }

  /// The text of the file called `name`; nil where there is none.
  package func text(_ name: String) throws -> String? {
    try bytes(name).map { String(decoding: $0, as: UTF8.self) }
  }

  /// The error for a file whose contents contradict what it is: `detail` is a sentence.
  package func damaged(_ name: String, _ detail: String) -> ImageError {
    ImageError(.damaged, format: "clonezilla", file: path(name).string, detail)
  }

  /// The error for something that cannot be restored: `detail` is a sentence.
  package func unsupported(_ detail: String) -> ImageError {
    ImageError(.unsupported, format: "clonezilla", file: path.string, detail)
  }

  /// The error with the folder as its file.
  func naming(_ error: ImageError) -> ImageError {
    var error = error
    error.file = path.string
    return error
  }
}
