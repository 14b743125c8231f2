import Filesystems

/// A directory's names and slots in memory, for finding both without reading it again; 65,536 slots at most.
final class DirectoryIndex {
  /// The directory's first cluster; 0 for the root's own area.
  let firstCluster: UInt32
  /// Where the root's own area lies; nil for a chain of clusters.
  private let areaOffset: UInt64?
  private let heap: ClusterHeap
  /// The chain's clusters.
  private(set) var clusters: [UInt32] = []
  /// Whether each slot is in use.
  private(set) var isUsed: [Bool] = []
  /// The first slot that was never used; `isUsed.count` for none.
  private(set) var end = 0
  /// No slot before it is free.
  private var firstFree = 0
  /// The slots of each name, as names are compared, long and short.
  private var names: [[UInt16]: Range<Int>] = [:]
  /// The slots of each short name's eleven bytes.
  private var shortNames: [[UInt8]: Range<Int>] = [:]
  /// The number to try first for each draft of a short name.
  private var numbers: [ShortNameDraft: Int] = [:]

  /// The most slots that a directory may have.
  static let maximumSlotCount = 65536

  /// Reads the directory whole.
  init(_ directory: Directory, of volume: FATVolume) throws {
    firstCluster = directory.firstCluster
    heap = volume.heap
    areaOffset = firstCluster == 0 ? volume.boot.rootSector * UInt64(volume.boot.sectorSize) : nil
    let count = try directory.byteCount() / UInt64(ShortEntry.size)
    guard count <= UInt64(max(Self.maximumSlotCount, volume.boot.wide == nil ? Int(volume.boot.rootEntries) : 0)) else {
      throw heap.damaged("the directory at cluster \(firstCluster) has \(count) entries, more than FAT allows")
    }
    isUsed = [Bool](repeating: false, count: Int(count))
    end = isUsed.count
    try directory.forEachSlot { slot, lead in
      guard lead != ShortEntry.Mark.end else {
        end = Int(slot)
        return false
      }
      isUsed[Int(slot)] = lead != ShortEntry.Mark.deleted
      return true
    }
    if firstCluster != 0 { try readClusters(of: volume) }
    try directory.forEach(from: 0) {
      note($0)
      return true
    }
  }

  private func readClusters(of volume: FATVolume) throws {
    let chain = try ClusterChain(from: firstCluster, in: heap, table: volume.table)
    while let run = try chain.run(at: UInt64(clusters.count), limit: UInt64(UInt32.max)) {
      for index in 0..<UInt32(run.count) { clusters.append(run.cluster + index) }
    }
  }

  private func note(_ found: Directory.Found) {
    insert(Int(found.slots.lowerBound)..<Int(found.slots.upperBound), found.longName, found.entry.name)
  }

  /// Where a slot lies in the volume, in bytes, and the cluster that holds it, 0 for the root's own area.
  func place(of slot: Int) -> (offset: UInt64, cluster: UInt32) {
    let position = UInt64(slot) * UInt64(ShortEntry.size)
    if let areaOffset { return (areaOffset + position, 0) }
    let cluster = clusters[Int(position / heap.clusterSize)]
    return (heap.offset(of: cluster) + position % heap.clusterSize, cluster)
  }

  /// The slots of the file with that name, which is given as names are compared.
  func slots(ofFolded name: [UInt16]) -> Range<Int>? { names[name] }

  /// Takes note of a new file; a name that is there already stays the other's.
  func insert(_ slots: Range<Int>, _ longName: [UInt16]?, _ shortName: ShortName) {
    for slot in slots { isUsed[slot] = true }
    end = max(end, slots.upperBound)
    for name in [longName, shortName.utf16].compactMap({ $0 }) {
      let folded = WantedName.fold(name)
      if names[folded] == nil { names[folded] = slots }
    }
    if shortNames[shortName.bytes] == nil { shortNames[shortName.bytes] = slots }
  }

  /// Takes note that a file is gone.
  func remove(_ found: Directory.Found) {
    let slots = Int(found.slots.lowerBound)..<Int(found.slots.upperBound)
    for slot in slots { isUsed[slot] = false }
    firstFree = min(firstFree, slots.lowerBound)
    for name in [found.longName, found.entry.name.utf16].compactMap({ $0 }) {
      let folded = WantedName.fold(name)
      if names[folded] == slots { names[folded] = nil }
    }
    if shortNames[found.entry.name.bytes] == slots { shortNames[found.entry.name.bytes] = nil }
    numbers.removeAll()
  }

  /// The first of `count` free slots one behind the other; where the directory has to grow for them, the slot where they
  /// would start.
  func freeSlots(_ count: Int) -> Int {
    while firstFree < end, isUsed[firstFree] { firstFree += 1 }
    var start = firstFree
    for slot in firstFree..<max(end, firstFree) {
      if isUsed[slot] { start = slot + 1 } else if slot + 1 - start == count { return start }
    }
    return start
  }

  /// Whether `slots` can be used as they are, those of `given` counting as free.
  func isFree(_ slots: Range<Int>, given: Range<Int>?) -> Bool {
    slots.lowerBound >= 0 && slots.upperBound <= isUsed.count && slots.lowerBound <= end
      && slots.allSatisfy { !isUsed[$0] || given?.contains($0) == true }
  }

  /// Adds clusters at the end.
  func grow(by added: [ClusterRun]) {
    for run in added { clusters += run.first...run.last }
    let slots = Int(added.clusterCount) * Int(heap.clusterSize) / ShortEntry.size
    isUsed += [Bool](repeating: false, count: slots)
  }

  /// A short name that no other file of the directory has, and whether a long one is needed beside it.
  ///
  /// The slots of `own`, the file that is to get it, do not count. Nil where all numbers are taken.
  func shortName(for name: NewName, own: Range<Int>?) -> (name: ShortName, needsLong: Bool)? {
    func isTaken(_ short: ShortName) -> Bool {
      let one = shortNames[short.bytes]
      let other = names[WantedName.fold(short.utf16)]
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
