import Bytes
import Filesystems

extension WritableExFATVolume {
  /// Stores what a file's first two entries say, which is one write; where they lie in two sectors, the set moves.
  func store(_ new: EntrySet, of file: FileID) throws {
    let found = try reader.found(file)
    let old: StoredSet
    do {
      old = try StoredSet(slots: Int(found.slots.lowerBound)..<Int(found.slots.upperBound), bytes: found.bytes)
    } catch {
      throw reader.heap.damaged("an entry set does not read as it was: \(error.detail)", at: found.offset)
    }
    var set = old
    set.update(new)
    let size = UInt64(DirectorySlots.slotSize)
    guard found.offset % UInt64(volume.unit) == UInt64(volume.unit) - size else {
      let cluster = UInt32((found.offset - reader.heap.start) / reader.heap.clusterSize + 2)
      return try stageDirectory(Array(set.bytes.prefix(2 * Int(size))), at: found.offset, cluster: cluster)
    }
    let directory = try directory(withFirst: UInt32(truncatingIfNeeded: file.context))
    let index = try index(of: directory)
    guard let slots = index.slots(of: set.set.name) else { throw FileError(.notFound, set.set.printable) }
    let goal = try move(
      stored(slots, in: index), as: set.bytes, name: set.set.name, in: index, directory)
    state.noteMove(of: file, to: try self.file(goal, of: index, in: directory))
  }

  /// The directory whose first cluster is `cluster`, looked for in the whole tree.
  private func directory(withFirst cluster: UInt32) throws -> FileID {
    var waiting = [root]
    var seen: Set<UInt32> = []
    while let directory = waiting.popLast() {
      let opened = try reader.directory(directory)
      if opened.firstCluster == cluster { return directory }
      // A damaged tree may run in a circle.
      guard seen.insert(opened.firstCluster).inserted || opened.firstCluster == 0 else { continue }
      try forEachDirectory(in: directory) { waiting.append($0) }
    }
    throw reader.heap.damaged("no directory starts at cluster \(cluster)")
  }

  /// Calls `body` with each directory in `directory`.
  func forEachDirectory(in directory: FileID, _ body: (FileID) throws -> Void) throws {
    var position: UInt64 = 0
    while case let entries = try reader.entries(of: directory, from: position, limit: 1000), let last = entries.last {
      for entry in entries where entry.kind == .directory { try body(entry.file) }
      position = last.next
    }
  }

  /// Puts `bytes` for a set elsewhere in its directory and takes the old one away, in one write if that can be.
  func move(
    _ old: StoredSet, as bytes: [UInt8], name: [UInt16], in index: DirectoryIndex, _ directory: FileID
  ) throws -> Range<Int> {
    let count = bytes.count / DirectorySlots.slotSize
    if let slots = index.slotsBeside(old.slots, count: count) {
      index.remove(old.slots, old.set.name)
      try putSet(bytes, into: slots, leavesOut: false, of: index, name: name)
      let sector = old.slots.lowerBound / index.perSector
      let rest = old.slots.filter { !slots.contains($0) }
      let (near, far) = (rest.filter { $0 / index.perSector == sector }, rest.filter { $0 / index.perSector != sector })
      try deleteEntries(old, in: near + far, of: index)
      return slots
    }
    let (slots, leavesOut) = try makeSlots(count, in: index, directory, for: old.set.printable)
    index.remove(old.slots, old.set.name)
    try putSet(bytes, into: slots, leavesOut: leavesOut, of: index, name: name)
    try deleteEntries(old, in: Array(old.slots), of: index)
    return slots
  }
}
