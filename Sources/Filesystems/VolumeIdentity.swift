package import Bytes

/// What a volume says of itself.
package struct VolumeIdentity: Hashable, Sendable {
  /// The type as blkid(8) says it.
  package let type: String
  package let label: String?
  /// The identifier as blkid(8) prints it.
  package let uuid: String?
  /// Features by the names that the volume's own tools use.
  package let features: [String]

  package init(type: String, label: String?, uuid: String?, features: [String] = []) {
    self.type = type
    self.label = label
    self.uuid = uuid
    self.features = features
  }
}

/// Space and file counts of a volume (statvfs(3)).
package struct VolumeStatistics: Hashable, Sendable {
  /// Size of a block or cluster in bytes.
  package let blockSize: UInt32
  /// Blocks of the volume, those of them that are free.
  package let blockCount: UInt64
  package let freeBlockCount: UInt64
  /// Inodes, those of them that are free; nil where the volume has no fixed number.
  package let inodeCount: UInt64?
  package let freeInodeCount: UInt64?

  package init(
    blockSize: UInt32, blockCount: UInt64, freeBlockCount: UInt64, inodeCount: UInt64? = nil,
    freeInodeCount: UInt64? = nil
  ) {
    self.blockSize = blockSize
    self.blockCount = blockCount
    self.freeBlockCount = freeBlockCount
    self.inodeCount = inodeCount
    self.freeInodeCount = freeInodeCount
  }

  package var record: Record {
    var record: Record = [
      "block-size": .count(UInt64(blockSize)), "blocks": .count(blockCount), "free-blocks": .count(freeBlockCount),
    ]
    record.add("inodes", inodeCount.map { .count($0) })
    record.add("free-inodes", freeInodeCount.map { .count($0) })
    return record
  }
}
