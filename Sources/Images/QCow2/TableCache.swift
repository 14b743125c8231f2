import BlockIO
import Bytes
import Threads

/// A part of an L1 or L2 table; never changed once it is read.
final class TableSlice: Sendable {
  /// The 64-bit words, in the machine's byte order.
  let words: [UInt64]

  /// Reads `count` bytes, a multiple of 8, at `offset`; they must lie inside the file.
  init(of file: any BlockSource, at offset: UInt64, count: Int) throws {
    var buffer = Buffer(count: count)
    var span = buffer.mutablePrefix(count)
    try file.read(at: offset, into: &span)
    words = Self.words(buffer.prefix(count))
  }

  private static func words(_ bytes: RawSpan) -> [UInt64] {
    (0..<bytes.byteCount / 8).map { bytes.bigEndian(at: $0 &* 8) }
  }
}

/// The slices of tables last used, in bounded memory; the one not used for longest gives way.
///
/// The lock is held for a look-up, never while a slice is read from the file or by its user.
final class TableCache: Sendable {
  private struct Slot {
    let offset: UInt64
    let slice: TableSlice
    var wasUsed: Bool
  }

  private struct Slots {
    var slots: [Slot] = []
    var places: [UInt64: Int] = [:]
    /// Where the search for a slot to give away goes on (the clock algorithm).
    var hand = 0
  }

  private let slots = Monitor(Slots())
  private let capacity: Int
  private let file: any BlockSource

  /// Holds at most `byteCount` bytes, but four slices of `sliceSize` bytes at least.
  init(of file: any BlockSource, byteCount: Int, sliceSize: Int) {
    self.file = file
    capacity = max(4, byteCount / sliceSize)
  }

  /// The `count` bytes at `offset`, always asked for in the same pieces.
  func slice(at offset: UInt64, count: Int) throws -> TableSlice {
    if let slice = found(offset), slice.words.count * 8 >= count { return slice }
    let slice = try TableSlice(of: file, at: offset, count: count)
    keep(slice, at: offset)
    return slice
  }

  private func found(_ offset: UInt64) -> TableSlice? {
    slots.update { slots in
      guard let place = slots.places[offset] else { return nil }
      slots.slots[place].wasUsed = true
      return slots.slots[place].slice
    }
  }

  private func keep(_ slice: TableSlice, at offset: UInt64) {
    slots.update { slots in
      let slot = Slot(offset: offset, slice: slice, wasUsed: false)
      if let place = slots.places[offset] {
        slots.slots[place] = slot
        return
      }
      guard slots.slots.count == capacity else {
        slots.places[offset] = slots.slots.count
        slots.slots.append(slot)
        return
      }
      while slots.slots[slots.hand].wasUsed {
        slots.slots[slots.hand].wasUsed = false
        slots.hand = (slots.hand + 1) % capacity
      }
      slots.places[slots.slots[slots.hand].offset] = nil
      slots.places[offset] = slots.hand
      slots.slots[slots.hand] = slot
      slots.hand = (slots.hand + 1) % capacity
    }
  }
}
