import BlockIO
import Filesystems

/// A directory's names and slots in memory, for finding both without reading it again.
final class DirectoryIndex: DirectoryIndexing {
  private(set) var map: DirectoryMap
  private let upcase: UpcaseTable
  /// Slots in one sector.
  let perSector: Int

  /// The most slots that a directory may get: fewer than the format allows, for they are kept in memory.
  static let maximumSlotCount = 1 << 20

  /// Reads the directory whole; `runs` are its clusters.
  init(_ directory: Directory, runs: [ClusterRun], of volume: ExFATVolume) throws {
    upcase = volume.description.upcase
    perSector = Int(volume.boot.sectorSize) / DirectorySlots.slotSize
    let count = try directory.byteCount() / UInt64(DirectorySlots.slotSize)
    guard count <= UInt64(Self.maximumSlotCount), runs.clusterCount * volume.heap.clusterSize >= count * 32 else {
      throw ImageError(
        .unsupported, format: ExFATVolume.format,
        "a directory of \(count) entries is too large to be changed, or longer than its clusters")
    }
    var map = DirectoryMap(from: directory.firstCluster, runs: runs, slotCount: Int(count), in: volume.heap)
    try directory.forEachSlot { slot, type in map.note(slot, isUsed: type.isInUse, isEnd: type == .end) }
    self.map = map
    try directory.forEachFile(from: 0) { found in
      insert(Int(found.slots.lowerBound)..<Int(found.slots.upperBound), found.set.name)
      return true
    }
  }

  /// A name as names are compared.
  func fold(_ name: [UInt16]) -> [UInt16] { name.map { upcase.upper($0) } }

  /// The slots of the file with that name.
  func slots(of name: [UInt16]) -> Range<Int>? { map.slots(of: fold(name)) }

  /// Takes note of a new file; a name that is there already stays the other's.
  func insert(_ slots: Range<Int>, _ name: [UInt16]) { map.insert(slots, names: [fold(name)]) }

  /// Takes note that a file is gone.
  func remove(_ slots: Range<Int>, _ name: [UInt16]) { map.remove(slots, names: [fold(name)]) }

  /// Takes note that a slot before a set is left out.
  func leaveOut(_ slot: Int) { map.insert(slot..<(slot + 1), names: []) }

  /// Where a set of `count` entries can be put so that one write makes it appear: inside one sector, or behind the last
  /// entry; there its first two entries are not in two sectors either, for which a slot before it may be left out.
  func freeSlots(_ count: Int) -> (start: Int, leavesOut: Bool) {
    let (isUsed, end) = (map.isUsed, map.end)
    let first = map.firstFreeSlot()
    var start = first
    for slot in first..<max(end, first) {
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
      if start % perSector != perSector - 1, map.isFree(slots, given: given) { return slots }
    }
    return nil
  }

  /// Adds clusters at the end.
  func grow(by added: [ClusterRun]) { map.grow(by: added) }
}
