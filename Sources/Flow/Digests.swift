package import BlockIO
import Bytes
import CLinux
import Synchronization
import SystemPackage

/// Checksums of what was written, one for each window of the target: at most 16 MiB of them, whatever the disk's size.
///
/// A window's checksum is the sum of one hash for each 4096-byte block of it, so that any thread may add any block at
/// any time. A block of zeroes adds nothing, which makes zeroed and never written ranges alike: they must read as zeroes.
@safe
package final class Digests: @unchecked Sendable {
  // Unchecked: the sums are atomics.
  static let block: UInt64 = 4096
  private static let mostWindows: UInt64 = 2 << 20

  /// Bytes in a window: a power of two, 2 MiB at least.
  let window: UInt64
  private let count: Int
  private let sums: UnsafeMutablePointer<Atomic<UInt64>>

  /// Room for a disk of `byteCount` bytes; throws where the system has no 16 MiB left.
  package init(byteCount: UInt64) throws(IOError) {
    var window: UInt64 = 2 << 20
    while byteCount / window >= Self.mostWindows { window *= 2 }
    self.window = window
    count = Int(byteCount / window) + 1
    let bytes = count * MemoryLayout<Atomic<UInt64>>.stride
    guard let memory = unsafe clinux_map_zeroed(bytes) else { throw IOError("mmap", "memory for checksums", .noMemory) }
    // Safe: zeroed pages are atomics that hold 0.
    unsafe sums = memory.bindMemory(to: Atomic<UInt64>.self, capacity: count)
  }

  /// Bytes of memory that the sums may take.
  package var memory: Int { count * MemoryLayout<Atomic<UInt64>>.stride }

  deinit { _ = unsafe clinux_unmap(sums, memory) }

  /// Adds bytes that were written at `offset`; a write's borders inside a block must be those of what is read back.
  func add(_ bytes: RawSpan, at offset: UInt64) {
    var done = 0
    while done < bytes.byteCount {
      let position = offset + UInt64(done)
      let windowEnd = (position + 1).aligned(up: window)
      let count = Int(min(windowEnd - position, UInt64(bytes.byteCount - done)))
      let sum = Self.sum(bytes.slice(done, count), at: position)
      let index = Int(position / window)
      precondition(index < self.count)
      unsafe sums[index].wrappingAdd(sum, ordering: .relaxed)
      done += count
    }
  }

  /// The sum of window `index`.
  func sum(ofWindow index: Int) -> UInt64 {
    precondition(index < count)
    return unsafe sums[index].load(ordering: .relaxed)
  }

  /// The sum of the blocks of `bytes`, which lie at `offset`.
  static func sum(_ bytes: RawSpan, at offset: UInt64) -> UInt64 {
    var sum: UInt64 = 0
    var done = 0
    while done < bytes.byteCount {
      let position = offset + UInt64(done)
      let count = Int(min((position + 1).aligned(up: block) - position, UInt64(bytes.byteCount - done)))
      let piece = bytes.slice(done, count)
      if !piece.isAllZero { sum &+= mix(xxh3(piece), position) }
      done += count
    }
    return sum
  }

  /// Ties a block's hash to its place, so that blocks that changed places show.
  private static func mix(_ hash: UInt64, _ offset: UInt64) -> UInt64 {
    let mixed = (hash ^ (offset &* 0x9E37_79B9_7F4A_7C15)) &* 0xD6E8_FEB8_6659_FD93
    return mixed ^ (mixed >> 32)
  }
}
