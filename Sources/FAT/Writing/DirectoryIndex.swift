import Filesystems

/// A directory's names and slots in memory, for finding both without reading it again; 65,536 slots at most.
final class DirectoryIndex: DirectoryIndexing {
  private(set) var map: DirectoryMap
  /// The slots of each short name's eleven bytes.
  private var shortNames: [[UInt8]: Range<Int>] = [:]
  /// The number to try first for each draft of a short name.
  private var numbers: [ShortNameDraft: Int] = [:]

  /// The most slots that a directory may have.
  static let maximumSlotCount = 65536

  /// Reads the directory whole.
  init(_ directory: Directory, of volume: FATVolume) throws {
    let first = directory.firstCluster
    let count = try directory.byteCount() / UInt64(ShortEntry.size)
    guard count <= UInt64(max(Self.maximumSlotCount, volume.boot.wide == nil ? Int(volume.boot.rootEntries) : 0)) else {
      throw volume.heap.damaged("the directory at cluster \(first) has \(count) entries, more than FAT allows")
    }
    let area = volume.boot.rootSector * UInt64(volume.boot.sectorSize)
    var runs: [ClusterRun] = []
    if first != 0 {
      let chain = try ClusterChain(from: first, in: volume.heap, table: volume.table)
      while let run = try chain.run(at: runs.clusterCount, limit: UInt64(UInt32.max)) {
        runs.add(ClusterRun(first: run.cluster, count: UInt32(run.count)))
      }
    }
    var map = DirectoryMap(
      from: first, runs: runs, areaOffset: first == 0 ? area : nil, slotCount: Int(count), in: volume.heap)
    try directory.forEachSlot { slot, lead in
      map.note(slot, isUsed: lead != ShortEntry.Mark.deleted, isEnd: lead == ShortEntry.Mark.end)
    }
    self.map = map
    try directory.forEach(from: 0) {
      note($0)
      return true
    }
  }

  private func note(_ found: Directory.Found) {
    insert(Int(found.slots.lowerBound)..<Int(found.slots.upperBound), found.longName, found.entry.name)
  }

  /// The slots of the file with that name, which is given as names are compared.
  func slots(ofFolded name: [UInt16]) -> Range<Int>? { map.slots(of: name) }

  /// The names by which a file is found, as names are compared.
  private func folded(_ longName: [UInt16]?, _ shortName: ShortName) -> [[UInt16]] {
    [longName, shortName.utf16].compactMap { $0.map(WantedName.fold) }
  }

  /// Takes note of a new file; a name that is there already stays the other's.
  func insert(_ slots: Range<Int>, _ longName: [UInt16]?, _ shortName: ShortName) {
    map.insert(slots, names: folded(longName, shortName))
    if shortNames[shortName.bytes] == nil { shortNames[shortName.bytes] = slots }
  }

  /// Takes note that a file is gone.
  func remove(_ found: Directory.Found) {
    let slots = Int(found.slots.lowerBound)..<Int(found.slots.upperBound)
    map.remove(slots, names: folded(found.longName, found.entry.name))
    if shortNames[found.entry.name.bytes] == slots { shortNames[found.entry.name.bytes] = nil }
    numbers.removeAll()
  }

  /// The first of `count` free slots one behind the other; where the directory has to grow for them, the slot where they
  /// would start.
  func freeSlots(_ count: Int) -> Int {
    let (isUsed, end) = (map.isUsed, map.end)
    var start = map.firstFreeSlot()
    for slot in start..<max(end, start) {
      if isUsed[slot] { start = slot + 1 } else if slot + 1 - start == count { return start }
    }
    return start
  }

  /// Adds clusters at the end.
  func grow(by added: [ClusterRun]) { map.grow(by: added) }

  /// A short name that no other file of the directory has, and whether a long one is needed beside it.
  ///
  /// The slots of `own`, the file that is to get it, do not count. Nil where all numbers are taken.
  func shortName(for name: NewName, own: Range<Int>?) -> (name: ShortName, needsLong: Bool)? {
    func isTaken(_ short: ShortName) -> Bool {
      let one = shortNames[short.bytes]
      let other = map.slots(of: WantedName.fold(short.utf16))
      return one != nil && one != own || other != nil && other != own
    }
    let draft = name.draft
    if draft.isExact {
      if let caseBits = draft.caseBits {
        let short = draft.plain(caseBits: caseBits)
        if !isTaken(short) { return (short, false) }
      } else if !isTaken(draft.plain) {
        return (draft.plain, true)
      }
    }
    for number in (numbers[draft] ?? 1)..<1_000_000 where !isTaken(draft.numbered(number)) {
      numbers[draft] = number
      return (draft.numbered(number), true)
    }
    return nil
  }
}
