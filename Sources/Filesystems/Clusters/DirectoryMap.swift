/// Where a directory's slots lie and which of them are in use, and the names in them: for finding both without reading
/// the directory again.
package struct DirectoryMap {
  /// The first cluster; 0 for a directory without clusters and for the area of FAT's old root.
  package private(set) var firstCluster: UInt32
  /// Where the area of FAT's old root lies; nil for clusters.
  private let areaOffset: UInt64?
  private let heap: ClusterHeap
  /// The directory's clusters.
  package private(set) var clusters: [UInt32] = []
  /// Whether each slot is in use.
  package private(set) var isUsed: [Bool]
  /// The first slot that was never used; `isUsed.count` for none.
  package private(set) var end: Int
  /// No slot before it is free.
  private var firstFree = 0
  /// The slots of each name, as names are compared.
  private var names: [[UInt16]: Range<Int>] = [:]

  /// A directory of `slotCount` slots, all of them in use, in `runs` or in an area.
  package init(
    from firstCluster: UInt32, runs: [ClusterRun], areaOffset: UInt64? = nil, slotCount: Int, in heap: ClusterHeap
  ) {
    self.firstCluster = firstCluster
    self.areaOffset = areaOffset
    self.heap = heap
    isUsed = [Bool](repeating: true, count: slotCount)
    end = slotCount
    for run in runs { clusters += run.first...run.last }
  }

  /// Takes note of a slot as it was read; returns false at the end, which `isEnd` tells, and behind which none is used.
  package mutating func note(_ slot: UInt64, isUsed used: Bool, isEnd: Bool) -> Bool {
    guard isEnd else {
      isUsed[Int(slot)] = used
      return true
    }
    end = Int(slot)
    for index in end..<isUsed.count { isUsed[index] = false }
    return false
  }

  /// Where a slot lies in the volume, in bytes, and the cluster that holds it, 0 for the area.
  package func place(of slot: Int) -> (offset: UInt64, cluster: UInt32) {
    let position = UInt64(slot) * UInt64(DirectorySlots.slotSize)
    if let areaOffset { return (areaOffset + position, 0) }
    let cluster = clusters[Int(position / heap.clusterSize)]
    return (heap.offset(of: cluster) + position % heap.clusterSize, cluster)
  }

  /// The slots of the file with a name, which is given as names are compared.
  package func slots(of name: [UInt16]) -> Range<Int>? { names[name] }

  /// Takes note of a new file; a name that is there already stays the other's.
  package mutating func insert(_ slots: Range<Int>, names folded: [[UInt16]]) {
    for slot in slots { isUsed[slot] = true }
    end = max(end, slots.upperBound)
    for name in folded where names[name] == nil { names[name] = slots }
  }

  /// Takes note that a file is gone.
  package mutating func remove(_ slots: Range<Int>, names folded: [[UInt16]]) {
    for slot in slots { isUsed[slot] = false }
    firstFree = min(firstFree, slots.lowerBound)
    for name in folded where names[name] == slots { names[name] = nil }
  }

  /// The first slot that may be free.
  package mutating func firstFreeSlot() -> Int {
    while firstFree < end, isUsed[firstFree] { firstFree += 1 }
    return firstFree
  }

  /// Whether `slots` can be used as they are, those of `given` counting as free.
  package func isFree(_ slots: Range<Int>, given: Range<Int>?) -> Bool {
    slots.lowerBound >= 0 && slots.upperBound <= isUsed.count && slots.lowerBound <= end
      && slots.allSatisfy { !isUsed[$0] || given?.contains($0) == true }
  }

  /// Adds clusters at the end.
  package mutating func grow(by added: [ClusterRun]) {
    for run in added { clusters += run.first...run.last }
    if areaOffset == nil { firstCluster = clusters.first ?? 0 }
    isUsed += [Bool](repeating: false, count: Int(added.clusterCount * heap.clusterSize) / DirectorySlots.slotSize)
  }
}

/// A directory's index in memory.
package protocol DirectoryIndexing: AnyObject {
  var map: DirectoryMap { get }
}

extension DirectoryIndexing {
  /// The first cluster; 0 for a directory without clusters and for the area of FAT's old root.
  package var firstCluster: UInt32 { map.firstCluster }

  /// Where a slot lies in the volume, in bytes, and the cluster that holds it, 0 for the area.
  package func place(of slot: Int) -> (offset: UInt64, cluster: UInt32) { map.place(of: slot) }
}
