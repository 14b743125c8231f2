import Bytes
import Filesystems

/// A directory's files and, in the root, what describes the volume.
final class Directory {
  /// A file's entries and where they lie.
  struct Found {
    let slots: Range<UInt64>
    /// Where the file entry lies in the volume, in bytes.
    let offset: UInt64
    let set: EntrySet
  }

  /// What a walk over the entries meets.
  enum Item {
    case file(Found)
    /// A primary entry that stands for no file: its type and its 32 bytes, at an offset in the volume.
    case other(EntryType, [UInt8], offset: UInt64)
  }

  /// The entries that make up one file, as they come.
  private struct Pending {
    var bytes: [UInt8]
    let slot: UInt64
    let offset: UInt64
    /// Entries still to come.
    var left: Int
  }

  private let slots: DirectorySlots
  private let heap: ClusterHeap
  /// The first cluster, 0 for a directory without clusters.
  let firstCluster: UInt32
  let isOnePiece: Bool

  init(_ slots: DirectorySlots, heap: ClusterHeap, firstCluster: UInt32, isOnePiece: Bool) {
    self.slots = slots
    self.heap = heap
    self.firstCluster = firstCluster
    self.isOnePiece = isOnePiece
  }

  /// Size in bytes of all slots.
  func byteCount() throws -> UInt64 { try slots.byteCount() }

  /// Calls `body` with each file and each other primary entry from slot `start` on, until it returns false; deleted
  /// entries and those of vendors are left out.
  func forEach(from start: UInt64, _ body: (Item) throws -> Bool) throws {
    var pending: Pending?
    var skipped = 0
    try slots.forEach(from: start) { bytes, place, slot, offset in
      let type = EntryType(rawValue: bytes.littleEndian(at: place))
      if pending != nil {
        guard type.isInUse, type.isSecondary else { throw damaged("ends after \(slot - start) entries", at: offset) }
        pending?.bytes += bytes.slice(place, DirectorySlots.slotSize).array
        pending?.left -= 1
        guard let set = pending, set.left == 0 else { return true }
        pending = nil
        return try body(.file(try parse(set, upTo: slot + 1)))
      }
      if type == .end { return false }
      guard type.isInUse else {
        skipped = 0
        return true
      }
      let count = Int(bytes.littleEndian(at: place + EntrySet.Offset.secondaryCount, as: UInt8.self))
      if type.isSecondary {
        guard skipped > 0 else { throw damaged("lacks its file entry", at: offset) }
        skipped -= 1
        return true
      }
      switch type {
      case .file:
        guard count > 0 else { throw damaged("has no other entries", at: offset) }
        let first = bytes.slice(place, DirectorySlots.slotSize).array
        skipped = 0
        pending = Pending(bytes: first, slot: slot, offset: offset, left: count)
        return true
      case .bitmap, .upcaseTable, .label, .volumeGUID:
        skipped = 0
        return try body(.other(type, bytes.slice(place, DirectorySlots.slotSize).array, offset: offset))
      case _ where type.isBenign:
        skipped = count
        return true
      default: throw damaged("is of the unknown type \(UInt64(type.rawValue).hex)", at: offset)
      }
    }
    if let pending { throw damaged("goes on past the directory's end", at: pending.offset) }
  }

  /// Calls `body` with each file from slot `start` on, until it returns false.
  func forEachFile(from start: UInt64, _ body: (Found) throws -> Bool) throws {
    try forEach(from: start) { item in
      guard case .file(let found) = item else { return true }
      return try body(found)
    }
  }

  private func parse(_ pending: Pending, upTo slot: UInt64) throws -> Found {
    do {
      let set = try EntrySet(parsing: pending.bytes.raw)
      return Found(slots: pending.slot..<slot, offset: pending.offset, set: set)
    } catch {
      throw damaged("is damaged: \(error.detail)", at: pending.offset)
    }
  }

  private func damaged(_ what: String, at offset: UInt64) -> any Error {
    heap.damaged("in the directory at cluster \(firstCluster) an entry set \(what)", at: offset)
  }
}
