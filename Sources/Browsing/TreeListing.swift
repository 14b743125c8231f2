import BlockIO
import Bytes
package import Filesystems

/// Lists directories, as ls(1) does: one, or all below it, in memory that does not grow with the tree.
package final class TreeListing {
  /// How entries are shown.
  package enum Style: Sendable {
    case names, long
    /// An object a line.
    case json
  }

  /// A directory whose subdirectories are still to be listed.
  private struct Level {
    let file: FileID
    /// Length of its path in bytes.
    let pathLength: Int
    /// Subdirectories to list next, last first.
    var waiting: [DirectoryEntry] = []
    /// Where further ones are looked for; nil where all are known.
    var position: UInt64?
  }

  /// Subdirectories that are held in memory for all levels together.
  private static let heldCount = 100_000
  /// Subdirectories that are read at once where a directory is too large to hold.
  private static let batch = 64

  private let filesystem: any Filesystem
  private let output: OutputPipe
  private let style: Style
  private let showsHidden: Bool
  private let isRecursive: Bool
  private let isStopped: () -> Bool
  private var path: [UInt8] = []
  private var levels: [Level] = []
  private var ancestors: Set<FileID> = []
  private var held = 0
  private var hasOutput = false
  /// What could not be read.
  package private(set) var report = ExtractionReport()

  /// Writes lines to `output`.
  package init(
    of filesystem: any Filesystem, to output: OutputPipe, style: Style, showsHidden: Bool, isRecursive: Bool,
    isStopped: @escaping () -> Bool
  ) {
    self.filesystem = filesystem
    self.output = output
    self.style = style
    self.showsHidden = showsHidden
    self.isRecursive = isRecursive
    self.isStopped = isStopped
  }

  /// Lists files by themselves, called as the user called them.
  package func list(files: [(name: FileName, file: FileID)]) throws {
    let entries = files.map { one in
      DirectoryListing.listed(one.name, one.file, in: filesystem) { report.fail(one.name.description, $0) }
    }
    try show(entries) { $0.name }
    hasOutput = hasOutput || !entries.isEmpty
  }

  /// Lists the directory `file`, called `path`, under a heading if `showsHeading`.
  package func list(_ file: FileID, path: FileName, showsHeading: Bool) throws {
    self.path = path.bytes
    (levels, ancestors, held) = ([], [], 0)
    try list(file, showsHeading: showsHeading || isRecursive)
    while isRecursive, let level = levels.last {
      if isStopped() { throw Stopped() }
      let end = level.pathLength
      self.path.removeLast(self.path.count - end)
      guard let next = nextSubdirectory() else {
        ancestors.remove(level.file)
        levels.removeLast()
        continue
      }
      self.path = FileName(self.path).appending(next.name).bytes
      guard next.name.isOrdinary, !ancestors.contains(next.file), levels.count < TreeWalk.maximumDepth else {
        report.fail(
          FileName(self.path).description,
          ImageError(.damaged, format: filesystem.type, "this directory lies inside itself, or too deep"))
        continue
      }
      try list(next.file, showsHeading: true)
    }
  }

  /// Lists the directory that `path` leads to and notes what is to be listed after it.
  private func list(_ file: FileID, showsHeading: Bool) throws {
    let here = FileName(path)
    if style != .json, showsHeading {
      try output.write(line: (hasOutput ? "\n" : "") + "\(here):")
    }
    hasOutput = true
    var level = Level(file: file, pathLength: path.count)
    do {
      let listing = DirectoryListing(of: file, in: filesystem, showsHidden: showsHidden)
      try listing.forEachBatch { batch in
        if isStopped() { throw Stopped() }
        let entries = batch.map { entry in
          style == .names
            ? ListedEntry(name: entry.name, file: entry.file, attributes: nil)
            : listing.listed(entry) { report.fail(here.appending(entry.name).description, $0) }
        }
        try show(entries) { here.appending($0.name) }
        guard isRecursive, level.position == nil else { return }
        let found = zip(batch, entries).filter { isDirectory($0, $1) }.map(\.0)
        level.waiting += found
        if level.waiting.count > DirectoryListing.sortedCount || held + level.waiting.count > Self.heldCount {
          level.waiting = []
          level.position = 0
        }
      }
    } catch let error where !(error is Stopped || error is DestinationError) {
      report.fail(here.description, error)
    }
    guard isRecursive else { return }
    level.waiting.reverse()
    held += level.waiting.count
    ancestors.insert(file)
    levels.append(level)
  }

  private func isDirectory(_ entry: DirectoryEntry, _ listed: ListedEntry? = nil) -> Bool {
    let kind = listed?.attributes?.kind ?? entry.kind ?? (try? filesystem.attributes(of: entry.file).kind)
    return kind == .directory
  }

  /// The next directory to list below the innermost level.
  private func nextSubdirectory() -> DirectoryEntry? {
    let last = levels.count - 1
    while true {
      if let entry = levels[last].waiting.popLast() {
        if levels[last].position == nil { held -= 1 }
        return entry
      }
      guard let position = levels[last].position else { return nil }
      do {
        let batch = try filesystem.entries(of: levels[last].file, from: position, limit: Self.batch)
        guard let end = batch.last else { return nil }
        levels[last].position = end.next
        levels[last].waiting = batch.reversed().filter { entry in
          (showsHidden || entry.name.bytes.first != UInt8(ascii: ".")) && isDirectory(entry)
        }
      } catch {
        report.fail(FileName(path).description, error)
        return nil
      }
    }
  }

  private func show(_ entries: [ListedEntry], path: (ListedEntry) -> FileName) throws(DestinationError) {
    switch style {
    case .names: for entry in entries { try output.write(line: entry.name.description) }
    case .json:
      for entry in entries {
        var record = Record()
        record.add(name: path(entry), as: "path")
        for fact in entry.record.facts { record.add(fact.key, fact.value) }
        try output.write(line: record.json)
      }
    case .long:
      let rows = entries.map(\.cells)
      let widths = (0..<6).map { column in rows.map { $0[column].utf8.count }.max() ?? 0 }
      for (entry, row) in zip(entries, rows) {
        let cells = row.enumerated().map { column, cell in
          String(repeating: " ", count: widths[column] - cell.utf8.count) + cell
        }
        try output.write(line: cells.joined(separator: " ") + " " + entry.label)
      }
    }
  }
}
