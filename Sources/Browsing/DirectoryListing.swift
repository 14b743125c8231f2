package import Filesystems

/// One directory's entries for a listing: sorted by name where there are few, else in the volume's order.
package struct DirectoryListing {
  /// The most entries that are sorted, and held in memory.
  package static let sortedCount = 10_000
  /// Entries to a batch where there are more.
  private static let batch = 1000

  private let filesystem: any Filesystem
  private let directory: FileID
  private let showsHidden: Bool

  /// `showsHidden` shows names that start with a dot.
  package init(of directory: FileID, in filesystem: any Filesystem, showsHidden: Bool) {
    self.filesystem = filesystem
    self.directory = directory
    self.showsHidden = showsHidden
  }

  /// Calls `body` with the entries, all at once and sorted where there are at most `sortedCount`, else in batches.
  package func forEachBatch(_ body: ([DirectoryEntry]) throws -> Void) throws {
    var held: [DirectoryEntry] = []
    var position: UInt64 = 0
    var isLarge = false
    while true {
      let found = try filesystem.entries(of: directory, from: position, limit: Self.batch)
      guard let last = found.last else { break }
      position = last.next
      held += found.filter { showsHidden || $0.name.bytes.first != UInt8(ascii: ".") }
      if isLarge || held.count > Self.sortedCount {
        isLarge = true
        try body(held)
        held = []
      }
    }
    if !isLarge { held.sort { $0.name < $1.name } }
    if !held.isEmpty { try body(held) }
  }

  /// An entry with what stat(2) tells of it, as far as it can be read; `failed` hears of what cannot.
  package func listed(_ entry: DirectoryEntry, failed: (any Error) -> Void) -> ListedEntry {
    Self.listed(entry.name, entry.file, in: filesystem, failed: failed)
  }

  /// A file with what stat(2) tells of it, as far as it can be read; `failed` hears of what cannot.
  package static func listed(
    _ name: FileName, _ file: FileID, in filesystem: any Filesystem, failed: (any Error) -> Void
  ) -> ListedEntry {
    var entry = ListedEntry(name: name, file: file, attributes: nil)
    do {
      let attributes = try filesystem.attributes(of: file)
      entry.attributes = attributes
      if attributes.kind == .symbolicLink { entry.target = try filesystem.symbolicLinkTarget(of: file) }
    } catch { failed(error) }
    return entry
  }
}
