import Bytes
import Filesystems

/// What a superblock says of its volume while it is being changed.
enum SuperblockMark {
  /// Sets or clears the feature needs_recovery in a superblock, without its checksum.
  @_lifetime(superblock: copy superblock)
  static func set(in superblock: inout MutableRawSpan, needsRecovery: Bool) {
    let features: UInt32 = superblock.bytes.littleEndian(at: Superblock.Field.incompatible)
    let flag = IncompatibleFeatures.needsRecovery.rawValue
    superblock.store(
      littleEndian: needsRecovery ? features | flag : features & ~flag, at: Superblock.Field.incompatible)
  }

  /// Sets or clears the bit that says that the volume was unmounted cleanly, without the checksum.
  @_lifetime(superblock: copy superblock)
  static func set(in superblock: inout MutableRawSpan, isClean: Bool) {
    let state: UInt16 = superblock.bytes.littleEndian(at: Superblock.Field.state)
    let bit = Superblock.State.cleanlyUnmounted.rawValue
    superblock.store(littleEndian: isClean ? state | bit : state & ~bit, at: Superblock.Field.state)
  }

  /// Sets or clears the feature needs_recovery in the superblock at `place` of `bytes`, and its checksum.
  static func set(in bytes: inout [UInt8], at place: Int, needsRecovery: Bool) {
    change(&bytes, at: place) { set(in: &$0, needsRecovery: needsRecovery) }
  }

  /// Sets or clears the bit of a clean volume in the superblock at `place` of `bytes`, and its checksum.
  static func set(in bytes: inout [UInt8], at place: Int, isClean: Bool) {
    change(&bytes, at: place) { set(in: &$0, isClean: isClean) }
  }

  private static func change(_ bytes: inout [UInt8], at place: Int, _ body: (inout MutableRawSpan) -> Void) {
    var span = bytes.mutableSpan
    // Safe: every bit pattern is a valid byte.
    var raw = unsafe span.mutableBytes
    var superblock = raw.mutableSlice(place, Superblock.byteCount)
    body(&superblock)
    let features: UInt32 = superblock.bytes.littleEndian(at: Superblock.Field.readOnlyCompatible)
    guard ReadOnlyFeatures(rawValue: features).contains(.metadataChecksums) else { return }
    var crc = CRC32C()
    crc.update(superblock.bytes.slice(0, Superblock.Field.checksum))
    superblock.store(littleEndian: crc.register, at: Superblock.Field.checksum)
  }
}
