import Bytes
import Filesystems

/// A directory's files, found in its slots.
final class Directory {
  /// A file's entry with its names.
  struct Found {
    /// Position of its first slot, the first part of its long name, and of the slot behind it.
    let slots: Range<UInt64>
    /// Where the short entry lies in the volume, in bytes.
    let offset: UInt64
    let entry: ShortEntry
    /// Nil where there is only the short one.
    let longName: [UInt16]?

    /// The name that users see.
    var name: [UInt16] { longName ?? entry.name.utf16 }
  }

  private let slots: DirectorySlots
  private let isWide: Bool
  /// The first cluster; 0 for the root's own area.
  let firstCluster: UInt32

  /// `isWide` for FAT32's entries.
  init(_ slots: DirectorySlots, firstCluster: UInt32, isWide: Bool) {
    self.slots = slots
    self.firstCluster = firstCluster
    self.isWide = isWide
  }

  /// Size in bytes of all slots.
  func byteCount() throws -> UInt64 { try slots.byteCount() }

  /// Calls `body` with each file from slot `start` on, until it returns false.
  ///
  /// Deleted entries, labels, `.` and `..`,
  /// and parts of long names that belong to nothing are left out.
  func forEach(from start: UInt64, _ body: (Found) throws -> Bool) throws {
    var long = LongName()
    var firstSlot = start
    try slots.forEach(from: start) { bytes, position, slot, offset in
      let lead: UInt8 = bytes.littleEndian(at: position)
      let attributes: UInt8 = bytes.littleEndian(at: position + ShortEntry.Offset.attributes)
      if lead == ShortEntry.Mark.end { return false }
      if lead == ShortEntry.Mark.deleted {
        long.removeAll()
      } else if attributes & 0x3f == LongNameEntry.attributes {
        if lead & LongNameEntry.lastBit != 0 { firstSlot = slot }
        long.add(LongNameEntry(bytes, at: position))
      } else if attributes & DOSAttributes.volumeLabel.rawValue != 0 {
        long.removeAll()
      } else {
        let entry = ShortEntry(bytes, at: position, isWide: isWide)
        let name = long.take(for: entry.name)
        guard !entry.name.isDotOrDotDot else { return true }
        let slots = (name == nil ? slot : firstSlot)..<(slot + 1)
        return try body(Found(slots: slots, offset: offset, entry: entry, longName: name))
      }
      return true
    }
  }

  /// Calls `body` with each slot's number and first byte, until it returns false.
  func forEachSlot(_ body: (_ slot: UInt64, _ lead: UInt8) -> Bool) throws {
    try slots.forEach(from: 0) { bytes, position, slot, _ in body(slot, bytes.littleEndian(at: position)) }
  }

  /// The file whose first slot is `slot`; nil where none starts there.
  func file(at slot: UInt64) throws -> Found? {
    var found: Found?
    try forEach(from: slot) {
      found = $0
      return false
    }
    return found.flatMap { $0.slots.lowerBound == slot ? $0 : nil }
  }

  /// The volume's label, which only the root holds; nil where it has none.
  func label() throws -> String? {
    var label: String?
    try slots.forEach(from: 0) { bytes, position, _, _ in
      let lead: UInt8 = bytes.littleEndian(at: position)
      let attributes: UInt8 = bytes.littleEndian(at: position + ShortEntry.Offset.attributes)
      if lead == ShortEntry.Mark.end { return false }
      guard lead != ShortEntry.Mark.deleted, attributes & 0x3f != LongNameEntry.attributes,
        attributes & 0x18 == DOSAttributes.volumeLabel.rawValue
      else { return true }
      label = ShortName.label(bytes.slice(position, 11).array)
      return false
    }
    return label
  }
}
