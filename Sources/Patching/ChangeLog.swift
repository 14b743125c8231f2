import Filesystems

/// Where a part of a file's contents came from.
enum ContentsOrigin {
  case step(PatchSource)
  case node(HostNode)

  /// Opens it once more.
  func contents(_ host: HostFiles) throws -> HostContents {
    switch self {
    case .step(let source): try host.contents(of: source)
    case .node(let node): try node.contents()
    }
  }
}

/// What has become of a volume's files, for comparing them afterwards; of each file only the last state.
final class ChangeLog {
  /// A part of a file that was written.
  struct Piece {
    /// Where it lies in the file, in bytes, and how long it is.
    let offset: UInt64
    var count: UInt64
    let origin: ContentsOrigin
  }

  /// A file that was made or changed.
  struct Change {
    /// Its names from the root, as they were given last.
    var names: [FileName]
    var file: FileID
    var pieces: [Piece] = []
  }

  /// By the names from the root, as `key(_:)` has them.
  private var changes: [[FileName]: Change] = [:]
  private let ignoresCase: Bool

  /// Of a volume that may take names that differ in case alone for one.
  init(ignoresCase: Bool) { self.ignoresCase = ignoresCase }

  /// All changes, in the order of their names.
  var all: [Change] { changes.values.sorted { $0.names.lexicographicallyPrecedes($1.names) } }

  /// What is the same for every spelling of the same names.
  private func key(_ names: [FileName]) -> [FileName] {
    guard ignoresCase else { return names }
    return names.map { name in
      guard let text = name.text else { return name }
      return FileName(String(decoding: text.utf16.map(UpperCase.of), as: UTF16.self))
    }
  }

  /// A file got new contents.
  func replaced(_ names: [FileName], _ file: FileID, linkCount: UInt32, by origin: ContentsOrigin, count: UInt64) {
    forgetOthers(names, file, linkCount)
    changes[key(names)] = Change(
      names: names, file: file, pieces: [Piece(offset: 0, count: count, origin: origin)])
  }

  /// A file got contents behind its end at `offset`.
  func appended(
    _ names: [FileName], _ file: FileID, linkCount: UInt32, at offset: UInt64, _ origin: ContentsOrigin, count: UInt64
  ) {
    forgetOthers(names, file, linkCount)
    changes[key(names), default: Change(names: names, file: file)].pieces.append(
      Piece(offset: offset, count: count, origin: origin))
  }

  /// A file was cut or lengthened.
  func truncated(_ names: [FileName], _ file: FileID, linkCount: UInt32, to byteCount: UInt64) {
    forgetOthers(names, file, linkCount)
    var change = changes[key(names)] ?? Change(names: names, file: file)
    change.pieces = change.pieces.filter { $0.offset < byteCount }.map { piece in
      var piece = piece
      piece.count = min(piece.count, byteCount - piece.offset)
      return piece
    }
    changes[key(names)] = change
  }

  /// A file was made without contents or got other attributes.
  func touched(_ names: [FileName], _ file: FileID) {
    let key = key(names)
    if changes[key] == nil { changes[key] = Change(names: names, file: file) }
  }

  /// A name is no more, nor what is below it.
  func removed(_ names: [FileName]) {
    changes[key(names)] = nil
    for key in below(names) { changes[key] = nil }
  }

  /// A name became another; `find` tells where a file is now.
  func renamed(_ old: [FileName], to new: [FileName], find: ([FileName]) throws -> FileID) rethrows {
    let moved = ([key(old)] + below(old)).compactMap { changes.removeValue(forKey: $0) }
    removed(new)
    for change in moved {
      let names = new + change.names.dropFirst(old.count)
      changes[key(names)] = Change(names: names, file: try find(names), pieces: change.pieces)
    }
    changes[key(new)] = Change(names: new, file: try find(new), pieces: changes[key(new)]?.pieces ?? [])
  }

  private func below(_ names: [FileName]) -> [[FileName]] {
    let names = key(names)
    return changes.keys.filter { $0.count > names.count && $0.starts(with: names) }
  }

  /// What is known of a file's contents under its other names is so no more.
  private func forgetOthers(_ names: [FileName], _ file: FileID, _ linkCount: UInt32) {
    guard linkCount > 1 else { return }
    let own = key(names)
    for (key, change) in changes where change.file == file && key != own { changes[key]?.pieces = [] }
  }
}
