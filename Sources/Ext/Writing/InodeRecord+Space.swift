import Bytes
import Filesystems

/// The count of blocks that a file takes, and the empty map.
extension InodeRecord {
  private static func hasHighCount(_ superblock: Superblock) -> Bool {
    superblock.readOnly.contains(.hugeFiles) && superblock.creatorOS != 1
  }

  /// Units of 512 bytes in use for the file.
  private func sectorCount(_ superblock: Superblock) -> Int64 {
    let hasHigh = Self.hasHighCount(superblock)
    let low = Int64(load(Inode.Field.sectorsLow, as: UInt32.self))
    let stored = low | (hasHigh ? Int64(load(Inode.Field.sectorsHigh, as: UInt16.self)) << 32 : 0)
    return hasHigh && flags.contains(.hugeFile) ? stored * Int64(superblock.blockSize / 512) : stored
  }

  /// Bytes of the volume in use for the file.
  func allocatedByteCount(_ superblock: Superblock) -> Int64 { sectorCount(superblock) * 512 }

  /// Adds to the count of the volume's blocks in use for the file; throws `FileError.fileTooLarge` past what it can hold.
  mutating func addAllocated(_ blocks: Int64, _ superblock: Superblock) throws {
    let hasHigh = Self.hasHighCount(superblock)
    let perBlock = Int64(superblock.blockSize / 512)
    let after = max(sectorCount(superblock) + blocks * perBlock, 0)
    let isHuge = after >= 1 << 48
    let value = isHuge ? after / perBlock : after
    guard value <= UInt32.max || hasHigh && value < 1 << 48 else {
      throw FileError(.fileTooLarge, "inode \(number)")
    }
    store(UInt32(truncatingIfNeeded: value), at: Inode.Field.sectorsLow)
    guard hasHigh else { return }
    store(UInt16(truncatingIfNeeded: value >> 32), at: Inode.Field.sectorsHigh)
    if isHuge { flags.insert(.hugeFile) } else { flags.remove(.hugeFile) }
  }

  /// Makes the map of blocks empty: an extent tree's root where the volume has extents, else lists; no inline contents.
  mutating func clearMap(_ superblock: Superblock) {
    flags.remove(.inlineData)
    var empty = [UInt8](repeating: 0, count: Inode.mapByteCount)
    if superblock.incompatible.contains(.extents) {
      flags.insert(.extents)
      empty.store(ExtentNode.magic, at: ExtentNode.Field.magic)
      let limit = (Inode.mapByteCount - ExtentNode.Field.entries) / ExtentNode.entryByteCount
      empty.store(UInt16(truncatingIfNeeded: limit), at: ExtentNode.Field.limit)
    }
    map = empty
  }
}
