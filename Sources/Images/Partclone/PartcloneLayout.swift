/// Where a partclone image's stored blocks and checksums lie in the file.
///
/// From `dataStart` on, blocks follow each other, a checksum after every `blocksPerStrip` of them and after the last.
package struct PartcloneLayout: Sendable {
  /// Offset in the image of the first stored block.
  package let dataStart: UInt64
  /// In bytes.
  package let blockSize: UInt64
  /// Blocks from one checksum to the next; 0 without checksums.
  package let blocksPerStrip: UInt64
  /// Bytes from one strip's last block to the next strip's first.
  package var checksumSize: UInt64
  /// How many blocks are stored.
  package let storedBlocks: UInt64

  /// Offset in the image of the stored block number `index`.
  package func offset(ofStored index: UInt64) -> UInt64 {
    dataStart + index * blockSize + (blocksPerStrip == 0 ? 0 : index / blocksPerStrip * checksumSize)
  }

  /// The first byte after the image.
  package var end: UInt64 {
    guard blocksPerStrip > 0 else { return offset(ofStored: storedBlocks) }
    let isCut = storedBlocks % blocksPerStrip != 0
    return offset(ofStored: storedBlocks) + (isCut ? checksumSize : 0)
  }

  /// Bytes of blocks in the longest strip there is.
  package var longestStrip: UInt64 { min(blocksPerStrip, storedBlocks) * blockSize }

  /// Bytes of blocks in a whole strip: at most 2^32 blocks of 64 MiB, as headers are checked.
  package var stripSize: UInt64 { blocksPerStrip * blockSize }

  /// How many blocks the strip that starts with the stored block `index` has: all that are left without checksums.
  package func stripBlocks(at index: UInt64) -> UInt64 {
    let rest = storedBlocks - index
    return blocksPerStrip == 0 ? rest : min(blocksPerStrip, rest)
  }
}
