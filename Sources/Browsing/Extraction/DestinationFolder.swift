package import BlockIO
import CLinux
import Filesystems
import Glibc
import SystemPackage

/// A folder that files are extracted to, reached from the destination's root by descriptors alone.
///
/// No symbolic link is followed below the root, so that nothing lands outside it whatever the volume or others do.
/// Descriptors are closed when many are open and opened again by name; a folder that was replaced meanwhile is an error.
final class DestinationFolder {
  /// Folders that may be open at once.
  private static let openCount = 64

  /// The descriptors that are open, in the order of their opening.
  final class OpenFolders {
    fileprivate var folders: [DestinationFolder] = []
  }

  let name: FileName
  private let parent: DestinationFolder?
  private let open: OpenFolders
  private var file: OpenFile?
  private let identity: FileStatus.Identity
  /// Whether it was made here, rather than found.
  let isNew: Bool

  /// The root, a folder that exists; symbolic links on the way to it are the user's own and are followed.
  init(root path: FilePath, isNew: Bool = false) throws(DestinationError) {
    do {
      let file = try OpenFile(path, .readOnly, options: .directory)
      identity = try file.status().identity
      self.file = consume file
    } catch { throw DestinationError(error) }
    name = FileName(path.description)
    parent = nil
    open = OpenFolders()
    self.isNew = isNew
  }

  private init(
    _ name: FileName, in parent: DestinationFolder, isNew: Bool
  ) throws(DestinationError) {
    self.name = name
    self.parent = parent
    self.isNew = isNew
    open = parent.open
    let file = try Self.open(name, in: parent)
    do { identity = try file.status().identity } catch { throw DestinationError(error) }
    self.file = consume file
    noteOpen()
  }

  /// The path from the root, for messages.
  var path: FilePath { child(nil) }

  /// The path of `name` in this folder, for messages.
  func child(_ name: FileName?) -> FilePath {
    var names = [name].compactMap(\.self)
    var folder: DestinationFolder? = self
    while let one = folder {
      names.append(one.name)
      folder = one.parent
    }
    return FilePath(names.reversed().map(\.description).joined(separator: "/"))
  }

  /// An error of the last call on `name` in this folder.
  func failure(_ operation: String, _ name: FileName?) -> DestinationError {
    let code = Errno(rawValue: errno)
    return DestinationError(IOError(operation, child(name), code))
  }

  /// The descriptor, opened again if need be; it stays open until other folders of the tree are used.
  func descriptor() throws(DestinationError) -> CInt {
    if let descriptor = file?.descriptor { return descriptor }
    // From the outermost folder that is closed inwards, since the tree may be deep.
    var closed: [DestinationFolder] = []
    var folder: DestinationFolder? = self
    while let one = folder, one.file == nil {
      closed.append(one)
      folder = one.parent
    }
    for one in closed.reversed() { try one.reopen() }
    guard let descriptor = file?.descriptor else { throw DestinationError(IOError("open", path, .badFileDescriptor)) }
    return descriptor
  }

  private func reopen() throws(DestinationError) {
    guard let parent else { return }
    let file = try Self.open(name, in: parent)
    do throws(IOError) {
      guard try file.status().identity == identity else {
        throw IOError("open (the folder was replaced by another)", path, .staleFile)
      }
    } catch { throw DestinationError(error) }
    self.file = consume file
    noteOpen()
  }

  private static func open(_ name: FileName, in parent: DestinationFolder) throws(DestinationError) -> OpenFile {
    let folder = try parent.descriptor()
    let descriptor = unsafe name.withCString { unsafe clinux_open_at(folder, $0, O_RDONLY | O_DIRECTORY, 0) }
    guard descriptor >= 0 else { throw parent.failure("open", name) }
    // The whole path would be put together for each of many levels.
    return OpenFile(adopting: descriptor, path: FilePath(name.description))
  }

  /// Closes the folder that was opened first where too many are open.
  private func noteOpen() {
    open.folders.append(self)
    if open.folders.count > Self.openCount { open.folders.removeFirst().file = nil }
  }

  /// Closes the folder; it is opened again when it is used.
  func close() {
    open.folders.removeAll { $0 === self }
    if parent != nil { file = nil }
  }

  /// The folder `name` in this one, made if it is not there; any other file of that name is removed.
  func makeFolder(_ name: FileName) throws(DestinationError) -> DestinationFolder {
    let folder = try descriptor()
    for _ in 0..<3 {
      if unsafe name.withCString({ unsafe mkdirat(folder, $0, 0o700) }) == 0 {
        return try DestinationFolder(name, in: self, isNew: true)
      }
      guard errno == EEXIST else { throw failure("mkdir", name) }
      if try status(of: name)?.kind == .directory { return try DestinationFolder(name, in: self, isNew: false) }
      try remove(name)
    }
    throw failure("mkdir", name)
  }

  /// What is called `name` here, links not followed; nil where there is nothing.
  func status(of name: FileName) throws(DestinationError) -> FileStatus? {
    var status = stat()
    let folder = try descriptor()
    if unsafe name.withCString({ unsafe fstatat(folder, $0, &status, AT_SYMLINK_NOFOLLOW) }) == 0 {
      return FileStatus(status)
    }
    guard errno == ENOENT else { throw failure("stat", name) }
    return nil
  }

  /// A name that nothing has yet, for a file that is not finished.
  func temporaryName() -> FileName { FileName(".qflash-\(String(UInt64.random(in: 0 ... .max), radix: 36))") }

  /// Makes an empty file that nobody else can open.
  func createFile(_ name: FileName) throws(DestinationError) -> OpenFile {
    let folder = try descriptor()
    let descriptor = unsafe name.withCString { unsafe clinux_open_at(folder, $0, O_RDWR | O_CREAT | O_EXCL, 0o600) }
    guard descriptor >= 0 else { throw failure("create", name) }
    return OpenFile(adopting: descriptor, path: child(name))
  }

  /// Gives the finished file `temporary` its name, in place of whatever file has it.
  func finish(_ temporary: FileName, as name: FileName) throws(DestinationError) {
    let folder = try descriptor()
    let result = unsafe temporary.withCString { from in
      unsafe name.withCString { unsafe clinux_rename_at(folder, from, $0) }
    }
    guard result == 0 else { throw failure("rename", name) }
  }

  /// Removes a file that is no directory.
  func remove(_ name: FileName) throws(DestinationError) {
    let folder = try descriptor()
    guard unsafe name.withCString({ unsafe unlinkat(folder, $0, 0) }) == 0 else { throw failure("unlink", name) }
  }
}

/// A call on the destination of an extraction that failed.
package struct DestinationError: Error, Sendable, CustomStringConvertible {
  package let error: IOError
  package init(_ error: IOError) { self.error = error }
  package var description: String { error.description }

  /// Whether whoever read the output has gone away.
  package var isBrokenPipe: Bool { error.errno == .brokenPipe }

  /// Whether a file or folder could not be made or opened, rather than written.
  package var isAtOpening: Bool {
    ["open", "create", "mkdir", "stat", "rename", "unlink"].contains(error.operation)
  }
}

extension FileName {
  /// Calls `body` with the name as C has it; a name that holds NUL ends there.
  func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    let terminated = bytes.map { CChar(bitPattern: $0) } + [0]
    return unsafe terminated.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { preconditionFailure("an array that holds NUL has an address") }
      return unsafe body(base)
    }
  }
}

extension Errno {
  /// The corresponding C error is `ESTALE`.
  fileprivate static var staleFile: Errno { Errno(rawValue: Glibc.ESTALE) }
}
