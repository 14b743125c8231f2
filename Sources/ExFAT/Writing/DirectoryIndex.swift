import BlockIO
import Filesystems

/// A directory's names and slots in memory, for finding both without reading it again.
final class DirectoryIndex {
  /// The first cluster; 0 for a directory without clusters.
  private(set) var firstCluster: UInt32
  private let heap: ClusterHeap
  private let upcase: UpcaseTable
  /// The directory's clusters.
  private(set) var clusters: [UInt32] = []
  /// Whether each slot is in use; those left out before a set are too.
  private(set) var isUsed: [Bool] = []
  /// The first slot that was never used; `isUsed.count` for none.
  private(set) var end = 0
  /// No slot before it is free.
  private var firstFree = 0
  /// The slots of each name in upper case.
  private var names: [[UInt16]: Range<Int>] = [:]
  /// Slots in one sector.
  let perSector: Int

  /// The most slots that a directory may get: fewer than the format allows, for they are kept in memory.
  static let maximumSlotCount = 1 << 20

  /// Reads the directory whole; `runs` are its clusters.
  init(_ directory: Directory, runs: [ClusterRun], of volume: ExFATVolume) throws {
    firstCluster = directory.firstCluster
    heap = volume.heap
    upcase = volume.description.upcase
    perSector = Int(volume.boot.sectorSize) / DirectorySlots.slotSize
    let count = try directory.byteCount() / UInt64(DirectorySlots.slotSize)
    guard count <= UInt64(Self.maximumSlotCount), runs.clusterCount * heap.clusterSize >= count * 32 else {
      throw ImageError(
        .unsupported, format: ExFATVolume.format,
        "a directory of \(count) entries is too large to be changed, or longer than its clusters")
    }
    for run in runs { clusters += run.first...run.last }
    isUsed = [Bool](repeating: false, count: Int(count))
    end = isUsed.count
    try directory.forEachSlot { slot, type in
      guard type != .end else {
        end = Int(slot)
        return false
      }
      isUsed[Int(slot)] = type.isInUse
      return true
    }
    try directory.forEachFile(from: 0) { found in
      insert(Int(found.slots.lowerBound)..<Int(found.slots.upperBound), found.set.name)
      return true
    }
  }

  /// A name as names are compared.
  func fold(_ name: [UInt16]) -> [UInt16] { name.map { upcase.upper($0) } }

  /// Where a slot lies in the volume, in bytes, and the cluster that holds it.
  func place(of slot: Int) -> (offset: UInt64, cluster: UInt32) {
    let position = UInt64(slot) * UInt64(DirectorySlots.slotSize)
    let cluster = clusters[Int(position / heap.clusterSize)]
    return (heap.offset(of: cluster) + position % heap.clusterSize, cluster)
  }

  /// The slots of the file with that name.
  func slots(of name: [UInt16]) -> Range<Int>? { names[fold(name)] }

  /// Takes note of a new file; a name that is there already stays the other's.
  func insert(_ slots: Range<Int>, _ name: [UInt16]) {
    for slot in slots { isUsed[slot] = true }
    end = max(end, slots.upperBound)
    let folded = fold(name)
    if names[folded] == nil { names[folded] = slots }
  }

  /// Takes note that a file is gone.
  func remove(_ slots: Range<Int>, _ name: [UInt16]) {
    for slot in slots { isUsed[slot] = false }
    firstFree = min(firstFree, slots.lowerBound)
    let folded = fold(name)
    if names[folded] == slots { names[folded] = nil }
  }

  /// Takes note that a slot before a set is left out.
  func leaveOut(_ slot: Int) {
    isUsed[slot] = true
    end = max(end, slot + 1)
  }

  /// Where a set of `count` entries can be put so that one write makes it appear: inside one sector, or behind the last
  /// entry; there its first two entries are not in two sectors either, for which a slot before it may be left out.
  func freeSlots(_ count: Int) -> (start: Int, leavesOut: Bool) {
    while firstFree < end, isUsed[firstFree] { firstFree += 1 }
    var start = firstFree
    for slot in firstFree..<max(end, firstFree) {
      if isUsed[slot] || slot % perSector == 0 { start = isUsed[slot] ? slot + 1 : slot }
      if !isUsed[slot], slot + 1 - start == count { return (start, false) }
    }
    return end % perSector == perSector - 1 ? (end + 1, true) : (end, false)
  }

  /// Slots for a set of `count` entries, the first two of which lie in one sector with the first of `own`.
  func slotsBeside(_ own: Range<Int>, count: Int) -> Range<Int>? {
    let sector = own.lowerBound / perSector
    let given = (own.upperBound - 1) / perSector == sector ? own : nil
    for start in [own.lowerBound] + Array((sector * perSector)..<((sector + 1) * perSector - 1)) {
      let slots = start..<(start + count)
      guard start % perSector != perSector - 1, start <= end, slots.upperBound <= isUsed.count else { continue }
      if slots.allSatisfy({ !isUsed[$0] || given?.contains($0) == true }) { return slots }
    }
    return nil
  }

  /// Adds clusters at the end.
  func grow(by added: [ClusterRun]) {
    for run in added { clusters += run.first...run.last }
    firstCluster = clusters.first ?? 0
    isUsed += [Bool](repeating: false, count: Int(added.clusterCount) * Int(heap.clusterSize) / DirectorySlots.slotSize)
  }
}
