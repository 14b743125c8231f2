import Bytes
import Filesystems

extension WritableExFATVolume {
  func lookup(_ name: FileName, in directory: FileID) throws -> FileID? {
    let directory = state.current(directory)
    guard let index = try knownIndex(of: directory) else { return try reader.lookup(name, in: directory) }
    guard let units = name.utf16, let slots = index.slots(of: units) else { return nil }
    return try file(slots, of: index, in: directory)
  }

  /// How callers find the file whose set starts at the first of `slots`.
  func file(_ slots: Range<Int>, of index: DirectoryIndex, in directory: FileID) throws -> FileID {
    let isOnePiece = try reader.directory(state.current(directory)).isOnePiece
    return FileID(
      index.place(of: slots.lowerBound).offset / UInt64(DirectorySlots.slotSize),
      context: UInt64(index.firstCluster) | (isOnePiece ? ExFATVolume.onePieceBit : 0))
  }

  /// The set of the file called `name`; throws where there is none.
  func find(_ name: FileName, in index: DirectoryIndex) throws -> StoredSet {
    guard let units = name.utf16, let slots = index.slots(of: units) else {
      throw FileError(.notFound, name.description)
    }
    return try stored(slots, in: index)
  }

  /// The set in `slots`.
  func stored(_ slots: Range<Int>, in index: DirectoryIndex) throws -> StoredSet {
    var bytes: [UInt8] = []
    for slot in slots {
      let block = try MetadataBlock(of: volume, at: index.place(of: slot).offset, count: DirectorySlots.slotSize)
      bytes += block.bytes.array
    }
    do {
      return try StoredSet(slots: slots, bytes: bytes)
    } catch {
      throw reader.heap.damaged("an entry set does not read as it was: \(error.detail)")
    }
  }

  /// Free slots for `count` entries, for which the directory grows if it must, and whether the slot before is left out.
  func makeSlots(
    _ count: Int, in index: DirectoryIndex, _ directory: FileID, for name: String
  ) throws -> (slots: Range<Int>, leavesOut: Bool) {
    let (start, leavesOut) = index.freeSlots(count)
    let missing = start + count - index.map.isUsed.count
    if missing > 0 { try grow(index, directory, bySlots: missing, for: name) }
    return (start..<(start + count), leavesOut)
  }

  private func grow(_ index: DirectoryIndex, _ directory: FileID, bySlots missing: Int, for name: String) throws {
    let perCluster = Int(reader.heap.clusterSize) / DirectorySlots.slotSize
    let count = (missing + perCluster - 1) / perCluster
    guard index.map.isUsed.count + count * perCluster <= DirectoryIndex.maximumSlotCount else {
      throw FileError(.directoryFull, name)
    }
    guard directory != root else {
      guard let last = index.map.clusters.last else { throw reader.heap.damaged("the root directory has no cluster") }
      let runs = try takeClusters(UInt64(count), near: last + 1, for: name)
      try makeChain(runs)
      try clear(runs)
      try link(last, to: runs[0].first)
      return finishGrowing(index, runs)
    }
    var new = try reader.entrySet(of: directory)
    let runs = try extend(&new.stream, by: UInt64(count), for: name)
    try clear(runs)
    new.stream.byteCount += UInt64(count) * reader.heap.clusterSize
    new.stream.validByteCount = new.stream.byteCount
    try store(new, of: directory)
    finishGrowing(index, runs)
  }

  private func finishGrowing(_ index: DirectoryIndex, _ runs: [ClusterRun]) {
    noteFresh(runs)
    index.grow(by: runs)
    reader.forget()
  }

  /// Adds clusters to a stream, which stays in one piece if it can; the entry that tells of it is left to the caller.
  func extend(_ stream: inout EntrySet.Stream, by count: UInt64, for name: String) throws -> [ClusterRun] {
    guard stream.byteCount > 0 else {
      let runs = try takeClusters(count, for: name)
      stream.firstCluster = runs.first?.first ?? 0
      stream.isOnePiece = runs.count == 1
      if runs.count == 1 { try allocate(.piece(runs[0])) } else { try makeChain(runs) }
      return runs
    }
    let old = try runs(of: stream, index: stream.isOnePiece ? 0 : reader.heap.clusters(for: stream.byteCount) - 1)
    guard let last = old.last, stream.isOnePiece || old.clusterCount == 1 else {
      throw reader.heap.damaged("the chain of \(name) is not as long as its size needs; run fsck.exfat first")
    }
    let runs = try takeClusters(count, near: last.last + 1, for: name)
    guard let first = runs.first else { return [] }
    if stream.isOnePiece, runs.count == 1, first.first == last.last + 1 {
      try allocate(.piece(first))
    } else {
      try makeChain(runs)
      if stream.isOnePiece {
        // Its clusters get entries in the table, which count once its own entry says so.
        try allocate(.chain(last, end: first.first))
        stream.isOnePiece = false
      } else {
        try link(last.last, to: first.first)
      }
    }
    return runs
  }

  /// Puts a new set's entries into free slots so that its first entry comes last.
  func putSet(
    _ bytes: [UInt8], into slots: Range<Int>, leavesOut: Bool, of index: DirectoryIndex, name: [UInt16]
  ) throws {
    try markEnd(behind: slots, of: index)
    try put(bytes, into: slots, of: index)
    if leavesOut {
      // The last slot of a sector, which has said that nothing follows.
      let (offset, cluster) = index.place(of: slots.lowerBound - 1)
      try stageDirectory([Self.unusedType], at: offset, cluster: cluster)
      index.leaveOut(slots.lowerBound - 1)
    }
    index.insert(slots, name)
  }

  /// The type of a file entry that is not in use.
  private static let unusedType = EntryType.file.rawValue & 0x7f

  /// Puts entries into slots, sector by sector, the first sector last.
  func put(_ bytes: [UInt8], into slots: Range<Int>, of index: DirectoryIndex) throws {
    let size = DirectorySlots.slotSize
    var upper = slots.upperBound
    while upper > slots.lowerBound {
      let lower = max(slots.lowerBound, (upper - 1) / index.perSector * index.perSector)
      let (offset, cluster) = index.place(of: lower)
      let part = (lower - slots.lowerBound) * size..<(upper - slots.lowerBound) * size
      try stageDirectory(Array(bytes[part]), at: offset, cluster: cluster)
      upper = lower
    }
  }

  /// Takes the entries of a set in `slots` away, those in the first one's sector first.
  func deleteEntries(_ old: StoredSet, in slots: [Int], of index: DirectoryIndex) throws {
    state.changes.takesAway = true
    for slot in slots {
      let (offset, cluster) = index.place(of: slot)
      let type = old.bytes[(slot - old.slots.lowerBound) * DirectorySlots.slotSize]
      try stageDirectory([type & 0x7f], at: offset, cluster: cluster)
    }
    // It may have been a directory's, whose place another file takes.
    reader.forget()
  }

  /// Takes a file's set away.
  func delete(_ old: StoredSet, from index: DirectoryIndex) throws {
    try deleteEntries(old, in: Array(old.slots), of: index)
    index.remove(old.slots, old.set.name)
  }
}
