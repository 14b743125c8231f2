import Bytes
import Filesystems

extension VolumeBlocks {
  /// A group's bitmap of clusters, its checksum verified; only where it was ever written.
  func blockBitmap(of group: UInt64) throws -> MetadataBlock {
    let descriptor = try descriptor(of: group)
    return try bitmap(
      descriptor.blockBitmap, descriptor.blockBitmapChecksum, of: group, bits: blockBitmapBits, "block bitmap")
  }

  /// A group's bitmap of inodes, its checksum verified; only where it was ever written.
  func inodeBitmap(of group: UInt64) throws -> MetadataBlock {
    let descriptor = try descriptor(of: group)
    return try bitmap(
      descriptor.inodeBitmap, descriptor.inodeBitmapChecksum, of: group, bits: Int(superblock.inodesPerGroup),
      "inode bitmap")
  }

  /// Bits of a full group's bitmap of clusters.
  var blockBitmapBits: Int { Int(superblock.blocksPerGroup >> superblock.clusterBits) }

  /// The checksum of a bitmap as its group's descriptor has it.
  func bitmapChecksum(_ bytes: RawSpan, bits: Int) -> UInt32 {
    var crc = CRC32C(register: superblock.checksumSeed)
    crc.update(bytes.slice(0, bits / 8))
    return superblock.descriptorSize >= 64 ? crc.register : crc.register & 0xffff
  }

  private func bitmap(
    _ number: UInt64, _ checksum: UInt32, of group: UInt64, bits: Int, _ what: String
  ) throws -> MetadataBlock {
    let name = "the \(what) of block group \(group)"
    return try block(number, as: .bitmap, of: group, for: name) { block in
      guard superblock.hasMetadataChecksums else { return }
      guard checksum == bitmapChecksum(block.bytes, bits: bits) else {
        throw damaged("the checksum of \(name) does not match its bytes", at: block.offset)
      }
    }
  }
}
