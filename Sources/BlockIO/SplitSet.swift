import Bytes
import Glibc
package import SystemPackage
import Threads

/// A file that was cut into pieces (split(1)), as the whole it was.
///
/// Any number of pieces is read through at most ``openLimit`` descriptors.
package final class SplitSet: BlockSource {
  /// One piece.
  package struct Piece: Sendable {
    package let path: FilePath
    package let status: FileStatus
    /// Where it starts in the whole, in bytes.
    package let start: UInt64
  }

  /// The most pieces that are open at a time.
  package static let openLimit = 64

  package let pieces: [Piece]
  package let byteCount: UInt64
  private let opened = Monitor(OpenPieces())

  /// The set that `path` is any piece of; nil if it is a file of its own.
  ///
  /// Names alone do not tell a set whose first piece is lost from files of their own that are numbered: `isWhole` says
  /// whether the file's contents start as an image does, which those of a later piece do not.
  ///
  /// Throws `ImageError` where a piece is missing before the last, naming it, and `IOError`.
  package static func open(
    _ path: FilePath, isWhole: (any BlockSource) throws -> Bool = { _ in false }
  ) throws -> SplitSet? {
    guard let name = path.lastComponent?.string, SplitSet.mayBePiece(name) else { return nil }
    let folder = path.removingLastComponent()
    let listing = try FolderListing(folder.isEmpty ? "." : folder)
    guard let found = SplitNames(of: name, among: listing.names) else { return nil }
    if let missing = found.missing {
      if found.names.isEmpty, try isWhole(try FileSource(path)) { return nil }
      throw ImageError(
        .damaged, format: "split set", file: folder.appending(missing).string,
        found.names.isEmpty
          ? "the first piece is missing; \(name) looks like a later one (rename it if it is a file of its own)"
          : "this piece is missing, and there are later ones")
    }
    if found.names.count == 1 { return nil }
    var pieces: [Piece] = []
    pieces.reserveCapacity(found.names.count)
    var start: UInt64 = 0
    for name in found.names {
      let path = folder.appending(name)
      let status = try listing.status(of: name, path)
      guard status.kind == .regular else {
        throw IOError("open (a piece that is no regular file)", path, .invalidArgument)
      }
      pieces.append(Piece(path: path, status: status, start: start))
      guard let end = start.adding(status.size) else { throw IOError("stat", path, .fileTooLarge) }
      start = end
    }
    return SplitSet(pieces, byteCount: start)
  }

  private init(_ pieces: [Piece], byteCount: UInt64) {
    self.pieces = pieces
    self.byteCount = byteCount
  }

  private static func mayBePiece(_ name: String) -> Bool {
    guard let last = name.utf8.last else { return false }
    let (letters, digits) = (UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"))
    return letters.contains(last) || digits.contains(last)
  }

  /// The last piece that starts at or before `offset`, which skips empty ones.
  private func piece(at offset: UInt64) -> Int {
    var (low, high) = (0, pieces.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if pieces[middle].start <= offset { low = middle } else { high = middle }
    }
    return low
  }

  /// The bytes at `offset` as one extent: data, holes in pieces not being looked for.
  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: min(limit, byteCount) - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    var done = 0
    var index = piece(at: offset)
    while done < buffer.byteCount {
      let place = offset + UInt64(done)
      guard index < pieces.count else { throw IOError("pread (unexpected end of the set)", pieces[0].path, .ioError) }
      let inside = place - pieces[index].start
      let count = Int(min(pieces[index].status.size - inside, UInt64(buffer.byteCount - done)))
      if count > 0 {
        var part = buffer.mutableSlice(done, count)
        try file(index).file.read(at: inside, into: &part)
      }
      done += count
      index += 1
    }
  }

  /// Piece `index`, opened if it is not; another thread may go on using one that is closed here.
  private func file(_ index: Int) throws -> OpenPiece {
    if let found = opened.update({ $0.find(index) }) { return found }
    let piece = pieces[index]
    let file = OpenPiece(try OpenFile(piece.path, .readOnly))
    let status = try file.file.status()
    guard status.identity == piece.status.identity, status.size >= piece.status.size else {
      throw ImageError(
        .damaged, format: "split set", file: piece.path.string,
        "this piece has changed since it was opened: it had \(piece.status.size) bytes and now has \(status.size)")
    }
    opened.update { $0.add(file, index) }
    return file
  }
}

/// A piece's open file.
private final class OpenPiece: Sendable {
  let file: OpenFile
  init(_ file: consuming OpenFile) { self.file = file }
}

/// The open pieces, the longest unused of which gives way to a new one.
private struct OpenPieces {
  private var files: [Int: (file: OpenPiece, use: UInt64)] = [:]
  private var uses: UInt64 = 0

  mutating func find(_ index: Int) -> OpenPiece? {
    uses += 1
    files[index]?.use = uses
    return files[index]?.file
  }

  mutating func add(_ file: OpenPiece, _ index: Int) {
    uses += 1
    if files.count >= SplitSet.openLimit, let oldest = files.min(by: { $0.value.use < $1.value.use })?.key {
      files[oldest] = nil
    }
    files[index] = (file, uses)
  }
}

/// The names in a folder, and a descriptor to ask for their status by.
@safe
private struct FolderListing: ~Copyable {
  let names: Set<String>
  private let folder: OpenFile

  init(_ path: FilePath) throws(IOError) {
    let folder = try OpenFile(path, .readOnly, options: .directory)
    // Takes over the descriptor, hence the copy.
    let copy = fcntl(folder.descriptor, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0, let stream = unsafe fdopendir(copy) else {
      let code = errno
      if copy >= 0 { _ = Glibc.close(copy) }
      throw IOError("opendir", path, Errno(rawValue: code))
    }
    defer { unsafe closedir(stream) }
    var names: Set<String> = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { name in
        unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      names.insert(name)
    }
    self.names = names
    self.folder = folder
  }

  /// The status of the file called `name` in the folder, `path` being its whole name (fstatat(2)).
  func status(of name: String, _ path: FilePath) throws(IOError) -> FileStatus {
    var status = stat()
    guard unsafe fstatat(folder.descriptor, name, &status, 0) == 0 else {
      throw IOError("stat", path, Errno(rawValue: errno))
    }
    return FileStatus(status)
  }
}
