import BlockIO
import Bytes
import Filesystems

/// What a superblock says of its volume while it is being changed.
enum SuperblockMark {
  /// Sets or clears the feature needs_recovery in the superblock at `place` of `bytes`, and its checksum.
  static func set(in bytes: inout [UInt8], at place: Int, needsRecovery: Bool) throws {
    let field = place + Superblock.Field.incompatible
    let features: UInt32 = bytes.raw.littleEndian(at: field)
    let flag = IncompatibleFeatures.needsRecovery.rawValue
    bytes.put(littleEndian: needsRecovery ? features | flag : features & ~flag, at: field)
    seal(&bytes, at: place)
  }

  /// Sets or clears the bit that says that the volume was unmounted cleanly.
  static func set(in bytes: inout [UInt8], at place: Int, isClean: Bool) {
    let field = place + Superblock.Field.state
    let state: UInt16 = bytes.raw.littleEndian(at: field)
    let bit = Superblock.State.cleanlyUnmounted.rawValue
    bytes.put(littleEndian: isClean ? state | bit : state & ~bit, at: field)
    seal(&bytes, at: place)
  }

  private static func seal(_ bytes: inout [UInt8], at place: Int) {
    let features: UInt32 = bytes.raw.littleEndian(at: place + Superblock.Field.readOnlyCompatible)
    guard ReadOnlyFeatures(rawValue: features).contains(.metadataChecksums) else { return }
    var crc = CRC32C()
    crc.update(bytes.raw.slice(place, Superblock.Field.checksum))
    bytes.put(littleEndian: crc.register, at: place + Superblock.Field.checksum)
  }
}
