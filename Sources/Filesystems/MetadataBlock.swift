package import BlockIO
import Bytes

/// A block of metadata in memory; never changed once it is read.
@safe
package final class MetadataBlock: @unchecked Sendable {
  /// Where it lies in the volume, in bytes.
  package let offset: UInt64
  /// Size in bytes.
  package let count: Int
  private let base: UnsafeRawPointer

  /// Reads `count` bytes at `offset`, which must lie inside the volume.
  package init(of volume: any BlockSource, at offset: UInt64, count: Int) throws {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 16)
    do {
      var span = unsafe MutableRawSpan(_unsafeStart: memory, byteCount: count)
      try volume.read(at: offset, into: &span)
    } catch {
      unsafe memory.deallocate()
      throw error
    }
    self.offset = offset
    self.count = count
    unsafe base = UnsafeRawPointer(memory)
  }

  deinit { unsafe base.deallocate() }

  /// The bytes.
  // Safe: the memory lives as long as the block and never changes.
  package var bytes: RawSpan {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(RawSpan(_unsafeStart: base, byteCount: count), borrowing: self) }
  }
}

/// The blocks of metadata last used, in bounded memory; the one not used for longest gives way (the clock algorithm).
///
/// Belongs to its driver's thread. Blocks at one offset must always be asked for with the same size.
package final class MetadataCache {
  private struct Slot {
    let block: MetadataBlock
    var wasUsed = false
    /// What the block was checked as; nil if it was not.
    var mark: UInt64?
  }

  private let volume: any BlockSource
  private let limit: Int
  private var held = 0
  private var slots: [Slot] = []
  private var places: [UInt64: Int] = [:]
  private var hand = 0

  /// Holds at most `byteCount` bytes of blocks, but four blocks at least.
  package init(of volume: any BlockSource, byteCount: Int) {
    self.volume = volume
    limit = byteCount
  }

  /// The `count` bytes at `offset`, which must lie inside the volume.
  package func block(at offset: UInt64, count: Int) throws -> MetadataBlock {
    if let place = places[offset], slots[place].block.count == count {
      slots[place].wasUsed = true
      return slots[place].block
    }
    let block = try MetadataBlock(of: volume, at: offset, count: count)
    keep(block)
    return block
  }

  /// The `count` bytes at `offset`, which must lie inside the volume, once `check` has let them pass.
  ///
  /// A block that stays in the cache is not checked again as long as `mark`, which stands for what it is checked as
  /// (a directory's block, a tree's node, and whose), is the same.
  package func block(
    at offset: UInt64, count: Int, mark: UInt64, check: (MetadataBlock) throws -> Void
  ) throws -> MetadataBlock {
    if let place = places[offset], slots[place].block.count == count, slots[place].mark == mark {
      slots[place].wasUsed = true
      return slots[place].block
    }
    let block = try block(at: offset, count: count)
    try check(block)
    if let place = places[offset] { slots[place].mark = mark }
    return block
  }

  /// Forgets the block at `offset`, after it was changed.
  package func remove(at offset: UInt64) {
    guard let place = places.removeValue(forKey: offset) else { return }
    held -= slots[place].block.count
    let last = slots.removeLast()
    if place < slots.count {
      slots[place] = last
      places[last.block.offset] = place
    }
    if hand >= slots.count { hand = 0 }
  }

  /// Forgets everything, after the volume was written.
  package func removeAll() {
    slots.removeAll(keepingCapacity: true)
    places.removeAll(keepingCapacity: true)
    (hand, held) = (0, 0)
  }

  private func keep(_ block: MetadataBlock) {
    let slot = Slot(block: block)
    if let place = places[block.offset] {
      held += block.count - slots[place].block.count
      slots[place] = slot
      return
    }
    guard held + block.count > limit, slots.count >= 4 else {
      places[block.offset] = slots.count
      slots.append(slot)
      held += block.count
      return
    }
    while slots[hand].wasUsed {
      slots[hand].wasUsed = false
      hand = (hand + 1) % slots.count
    }
    held += block.count - slots[hand].block.count
    places[slots[hand].block.offset] = nil
    places[block.offset] = hand
    slots[hand] = slot
    hand = (hand + 1) % slots.count
  }
}
