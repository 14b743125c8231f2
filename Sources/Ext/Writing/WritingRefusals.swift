import BlockIO
import Bytes
import Filesystems

/// What keeps a volume from being changed, by name.
struct WritingRefusals {
  private let blocks: VolumeBlocks
  private let sourceByteCount: UInt64

  init(_ blocks: VolumeBlocks, sourceByteCount: UInt64) {
    self.blocks = blocks
    self.sourceByteCount = sourceByteCount
  }

  private func refused(_ detail: String) -> ImageError { ImageError(.unsupported, format: blocks.type, detail) }

  /// Throws the first reason there is.
  func check() throws {
    try checkFeatures()
    try checkState()
  }

  private func checkFeatures() throws {
    let superblock = blocks.superblock
    let readOnly = superblock.readOnly.subtracting(.writable)
    let compatible = superblock.compatible.intersection(.notWritable)
    let names =
      bitNames(compatible.rawValue, CompatibleFeatures.names, letter: "C")
      + bitNames(readOnly.rawValue, ReadOnlyFeatures.names, letter: "R")
    guard names.isEmpty else {
      throw refused("the volume uses features with which it cannot be written: \(names.joined(separator: ", "))")
    }
    if superblock.readOnly.contains(.quota), superblock.incompatible.contains(.attributeInodes) {
      throw refused("the volume has quotas and values of attributes in inodes (quota, ea_inode); it cannot be written")
    }
    guard superblock.creatorOS != 1 else { throw refused("the volume belongs to GNU Hurd and cannot be written") }
  }

  private func checkState() throws {
    let superblock = blocks.superblock
    if superblock.state.contains(.hasErrors) || superblock.errorCount > 0 {
      throw refused("the volume has recorded errors; run e2fsck -f before it is written")
    }
    guard superblock.blockCount << UInt64(superblock.blockBits) <= sourceByteCount else {
      throw refused("the volume was cut off and cannot be written")
    }
    if superblock.incompatible.contains(.multiMountProtection), superblock.protectionBlock != 0 {
      let block = try blocks.block(superblock.protectionBlock, for: "the multiple mount protection")
      if let user = MountProtection.user(block.bytes) {
        throw refused("\(user) has the volume mounted, or was cut off (mmp); it cannot be written")
      }
    }
  }
}
