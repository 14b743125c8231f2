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
    /// The entries' bytes, those of vendors among them.
    let bytes: [UInt8]
  }

  /// What a walk over the entries meets.
  enum Item {
    case file(Found)
    /// A primary entry that stands for no file: its type and its 32 bytes, at an offset in the volume.
    case other(EntryType, [UInt8], offset: UInt64)
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
    var assembly = Assembly()
    try slots.forEach(from: start) { bytes, place, slot, offset in
      let entry = bytes.slice(place, DirectorySlots.slotSize)
      if EntryType(rawValue: entry.littleEndian(at: 0)) == .end, !assembly.isOpen { return false }
      do {
        guard let item = try assembly.take(entry, slot: slot, offset: offset) else { return true }
        return try body(item)
      } catch let error as LayoutError {
        throw damaged(error, at: assembly.offset ?? offset)
      }
    }
    if assembly.isOpen { throw damaged(LayoutError("goes on past the directory's end"), at: assembly.offset) }
  }

  /// Calls `body` with each file from slot `start` on, until it returns false.
  func forEachFile(from start: UInt64, _ body: (Found) throws -> Bool) throws {
    try forEach(from: start) { item in
      guard case .file(let found) = item else { return true }
      return try body(found)
    }
  }

  /// Calls `body` with each slot's number and type, until it returns false.
  func forEachSlot(_ body: (_ slot: UInt64, EntryType) -> Bool) throws {
    try slots.forEach(from: 0) { bytes, place, slot, _ in body(slot, EntryType(rawValue: bytes.littleEndian(at: place)))
    }
  }

  private func damaged(_ error: LayoutError, at offset: UInt64?) -> any Error {
    heap.damaged("in the directory at cluster \(firstCluster) an entry set \(error.detail)", at: offset)
  }
}

extension Directory {
  /// Puts entries that come one after another together to files.
  fileprivate struct Assembly {
    private var bytes: [UInt8] = []
    private var firstSlot: UInt64 = 0
    /// Where the set that is being put together starts in the volume; nil between sets.
    private(set) var offset: UInt64?
    /// Entries of the set still to come.
    private var left = 0
    /// Entries to pass over, since they belong to one that is passed over.
    private var skipped = 0

    var isOpen: Bool { offset != nil }

    /// Takes the next entry; the item that it completes, if it does.
    mutating func take(_ entry: RawSpan, slot: UInt64, offset place: UInt64) throws -> Item? {
      let type = EntryType(rawValue: entry.littleEndian(at: 0))
      if isOpen { return try add(entry, type, slot: slot) }
      guard type.isInUse else {
        skipped = 0
        return nil
      }
      guard !type.isSecondary else {
        guard skipped > 0 else { throw LayoutError("lacks its file entry") }
        skipped -= 1
        return nil
      }
      let count = Int(entry.littleEndian(at: EntrySet.Offset.secondaryCount, as: UInt8.self))
      skipped = 0
      switch type {
      case .file:
        guard count > 0 else { throw LayoutError("has no other entries") }
        (bytes, firstSlot, offset, left) = (entry.array, slot, place, count)
      case .bitmap, .upcaseTable, .label, .volumeGUID: return .other(type, entry.array, offset: place)
      case _ where type.isBenign: skipped = count
      default: throw LayoutError("is of the unknown type \(UInt64(type.rawValue).hex)")
      }
      return nil
    }

    /// Takes a further entry of the set.
    private mutating func add(_ entry: RawSpan, _ type: EntryType, slot: UInt64) throws -> Item? {
      guard let offset, type.isInUse, type.isSecondary else {
        throw LayoutError("ends \(left) entries too early")
      }
      bytes += entry.array
      left -= 1
      guard left == 0 else { return nil }
      let set: EntrySet
      do { set = try EntrySet(parsing: bytes.raw) } catch { throw LayoutError("is damaged: \(error.detail)") }
      self.offset = nil
      return .file(Found(slots: firstSlot..<(slot + 1), offset: offset, set: set, bytes: bytes))
    }
  }
}
