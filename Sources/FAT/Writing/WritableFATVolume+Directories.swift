import Bytes
import Filesystems

extension WritableFATVolume {
  /// The file called `name` in an indexed directory; throws where there is none.
  func find(_ name: FileName, in index: DirectoryIndex, _ directory: FileID) throws -> Directory.Found {
    guard let units = name.utf16, let slots = index.slots(ofFolded: WantedName.fold(units)) else {
      throw FileError(.notFound, name.description)
    }
    return try found(slots, in: directory)
  }

  /// The file in `slots`.
  func found(_ slots: Range<Int>, in directory: FileID) throws -> Directory.Found {
    guard let found = try reader.directory(directory).file(at: UInt64(slots.lowerBound)) else {
      throw reader.heap.damaged("a directory's entry in slot \(slots.lowerBound) does not read as it was")
    }
    return found
  }

  /// `count` free slots one behind the other, for which the directory grows if it must.
  func makeSlots(_ count: Int, in index: DirectoryIndex, for name: String) throws -> Range<Int> {
    let start = index.freeSlots(count)
    let missing = start + count - index.map.isUsed.count
    if missing > 0 { try grow(index, bySlots: missing, for: name) }
    return start..<(start + count)
  }

  private func grow(_ index: DirectoryIndex, bySlots missing: Int, for name: String) throws {
    let perCluster = Int(reader.heap.clusterSize) / ShortEntry.size
    let added = (missing + perCluster - 1) / perCluster
    guard let last = index.map.clusters.last, index.map.isUsed.count + missing <= DirectoryIndex.maximumSlotCount else {
      throw FileError(.directoryFull, name)
    }
    let runs = try makeChain(of: UInt64(added), for: name)
    try clear(runs)
    try link(last, to: runs[0].first)
    noteFresh(runs)
    index.grow(by: runs)
  }

  /// Puts a file's entries into free slots, the short one last, and takes note of it.
  func put(_ entry: ShortEntry, longName: NewName?, into slots: Range<Int>, of index: DirectoryIndex) throws {
    try markEnd(behind: slots, of: index)
    let long = longName?.longEntries(for: entry.name) ?? []
    for (slot, part) in zip(slots, long) { try put(into: slot, of: index) { part.store(into: &$0, at: 0) } }
    try put(entry, into: slots.upperBound - 1, of: index)
    index.insert(slots, longName?.units, entry.name)
  }

  /// Puts a short entry into a slot.
  func put(_ entry: ShortEntry, into slot: Int, of index: DirectoryIndex) throws {
    try put(into: slot, of: index) { entry.store(into: &$0, at: 0, isWide: reader.boot.wide != nil) }
  }

  private func put(
    into slot: Int, of index: DirectoryIndex, _ store: (inout MutableRawSpan) -> Void
  ) throws {
    let (offset, cluster) = index.place(of: slot)
    var bytes = [UInt8](repeating: 0, count: ShortEntry.size)
    var span = bytes.mutableSpan
    // Safe: every byte of the array is initialised.
    var raw = unsafe span.mutableBytes
    store(&raw)
    try stageDirectory(bytes, at: offset, cluster: cluster)
  }

  /// Takes a file out of a directory and its index.
  func delete(_ found: Directory.Found, from index: DirectoryIndex) throws {
    try erase(found, of: index)
    index.remove(found)
  }

  /// Marks a file's entries as deleted, first where its short one lies; the index is left as it is.
  func erase(_ found: Directory.Found, of index: DirectoryIndex) throws {
    state.changes.takesAway = true
    let slots = Int(found.slots.lowerBound)..<Int(found.slots.upperBound)
    let unit = index.place(of: slots.upperBound - 1).offset / UInt64(volume.unit)
    let first = slots.filter { index.place(of: $0).offset / UInt64(volume.unit) == unit }
    let others = slots.filter { index.place(of: $0).offset / UInt64(volume.unit) != unit }
    for slot in first + others {
      let (offset, cluster) = index.place(of: slot)
      try stageDirectory([ShortEntry.Mark.deleted], at: offset, cluster: cluster)
    }
  }

  /// A directory's first cluster with its two entries.
  func makeDirectory(_ entry: ShortEntry, in parent: FileID, for name: String) throws -> UInt32 {
    let runs = try makeChain(of: 1, for: name)
    try clear(runs)
    noteFresh(runs)
    let cluster = runs[0].first
    var own = entry
    own.name = .current
    own.firstCluster = cluster
    var up = own
    up.name = .parent
    up.firstCluster = try parentCluster(parent)
    for (number, dots) in [own, up].enumerated() {
      try putDots(dots, at: reader.heap.offset(of: cluster) + UInt64(number * ShortEntry.size), cluster: cluster)
    }
    return cluster
  }

  /// What `..` leads to: 0 for the root, also where that has a first cluster.
  func parentCluster(_ parent: FileID) throws -> UInt32 {
    parent == root ? 0 : try reader.firstCluster(ofDirectory: parent)
  }

  func putDots(_ entry: ShortEntry, at offset: UInt64, cluster: UInt32) throws {
    var bytes = [UInt8](repeating: 0, count: ShortEntry.size)
    var span = bytes.mutableSpan
    // Safe: every byte of the array is initialised.
    var raw = unsafe span.mutableBytes
    entry.store(into: &raw, at: 0, isWide: reader.boot.wide != nil)
    try stageDirectory(bytes, at: offset, cluster: cluster)
  }
}

extension ShortName {
  /// The name of a directory's own entry, and that of its parent's.
  static let current = ShortName(bytes: Array(".          ".utf8))
  static let parent = ShortName(bytes: Array("..         ".utf8))
}
