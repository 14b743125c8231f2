import BlockIO
import Bytes
import Filesystems

/// A volume's blocks, with what every reader of them needs: the superblock, the groups' layout, a bounded cache.
///
/// Belongs to its volume's thread.
final class VolumeBlocks {
  /// The volume, the journal's blocks laid over it where they were not yet written back.
  let source: any BlockSource
  private(set) var superblock: Superblock
  let layout: GroupLayout
  /// `ext2`, `ext3` or `ext4`, as blkid(8) tells them apart.
  let type: String
  private let cache: MetadataCache
  private var lastGroup: (number: UInt64, descriptor: GroupDescriptor)?
  /// Memory for metadata in bytes.
  private static let cacheByteCount = 12 << 20

  /// What a block is checked as, for the cache's marks.
  enum Kind: UInt64 {
    case descriptors = 1, extents, directory, attributes, bitmap
  }

  init(_ source: any BlockSource, _ superblock: Superblock) {
    self.source = source
    self.superblock = superblock
    layout = GroupLayout(superblock)
    type = superblock.typeName
    cache = MetadataCache(of: source, byteCount: Self.cacheByteCount)
  }

  /// Size of a block in bytes.
  var blockSize: Int { superblock.blockSize }

  /// An error about bytes that contradict the format.
  func damaged(_ detail: String, at offset: UInt64? = nil) -> ImageError {
    ImageError(.damaged, format: type, offset: offset, detail)
  }

  /// An error about a structure whose first byte lies at `offset`.
  func damaged(_ error: LayoutError, in name: String, at offset: UInt64) -> ImageError {
    damaged("\(name) is damaged: \(error.detail)", at: offset.adding(UInt64(max(error.offset, 0))))
  }

  /// Where a block lies in bytes, once `count` blocks from it are known to lie in the volume; `owner` is whose they are.
  func offset(of block: UInt64, count: UInt64 = 1, for owner: @autoclosure () -> String) throws -> UInt64 {
    guard block >= UInt64(superblock.firstDataBlock), block < superblock.blockCount,
      count <= superblock.blockCount - block
    else {
      throw damaged(
        "\(owner()) is said to lie in block \(block), and the volume has \(superblock.blockCount) blocks; "
          + "repair the volume with e2fsck first")
    }
    let offset = block << UInt64(superblock.blockBits)
    let end = offset + count << UInt64(superblock.blockBits)
    guard end <= source.byteCount else {
      throw damaged("\(owner()) lies past the end of the source; the volume was cut off", at: offset)
    }
    return offset
  }

  /// A block of metadata that bears no checksum.
  func block(_ number: UInt64, for owner: @autoclosure () -> String) throws -> MetadataBlock {
    try cache.block(at: offset(of: number, for: owner()), count: blockSize)
  }

  /// A block of metadata that `check` has let pass as a `kind` of the inode or group `number`.
  func block(
    _ block: UInt64, as kind: Kind, of number: UInt64, for owner: @autoclosure () -> String,
    check: (MetadataBlock) throws -> Void
  ) throws -> MetadataBlock {
    try cache.block(
      at: offset(of: block, for: owner()), count: blockSize, mark: kind.rawValue << 56 | number & ~0 >> 8, check: check)
  }

  /// `count` bytes at an offset that is known to lie in the volume; always the same count for one offset.
  func bytes(at offset: UInt64, count: Int) throws -> MetadataBlock { try cache.block(at: offset, count: count) }

  /// The descriptor of a block group, its checksum verified.
  func descriptor(of group: UInt64) throws -> GroupDescriptor {
    if let lastGroup, lastGroup.number == group { return lastGroup.descriptor }
    guard group < layout.groupCount else { throw damaged("there is no block group \(group)") }
    let place = layout.descriptorPlace(of: group)
    let block = try block(place.block, for: "the descriptor of block group \(group)")
    let bytes = block.bytes.slice(place.offset, superblock.descriptorSize)
    let offset = block.offset + UInt64(place.offset)
    if let checksum = GroupDescriptor.checksum(of: bytes, group: group, superblock) {
      guard checksum == bytes.littleEndian(at: GroupDescriptor.Field.checksum, as: UInt16.self) else {
        throw damaged("the checksum of block group \(group)'s descriptor does not match its bytes", at: offset)
      }
    }
    do throws(LayoutError) {
      let descriptor = try GroupDescriptor(parsing: bytes)
      lastGroup = (group, descriptor)
      return descriptor
    } catch { throw damaged(error, in: "the descriptor of block group \(group)", at: offset) }
  }

  /// Forgets what is known of the `blockSize` bytes at `block`, after they were changed.
  func forget(_ block: UInt64) { cache.remove(at: block << UInt64(superblock.blockBits)) }

  /// Forgets the bytes that were read at `offset`, after they were changed.
  func forget(at offset: UInt64) { cache.remove(at: offset) }

  /// Forgets a group's descriptor, after it was changed.
  func forgetDescriptor(of group: UInt64) {
    if lastGroup?.number == group { lastGroup = nil }
  }

  /// Goes on with a changed superblock, whose layout is the same.
  func adopt(_ changed: Superblock) { superblock = changed }

  /// Forgets all that was read, after changes were given up.
  func forgetAll() {
    cache.removeAll()
    lastGroup = nil
  }

  /// The seed of the checksums of what belongs to an inode.
  func checksumSeed(inode: UInt32, generation: UInt32) -> UInt32 {
    var crc = CRC32C(register: superblock.checksumSeed)
    crc.update(littleEndian: inode)
    crc.update(littleEndian: generation)
    return crc.register
  }
}

extension Superblock {
  /// The type as blkid(8) tells it from the features.
  var typeName: String {
    let hasJournal = compatible.contains(.hasJournal)
    let old: IncompatibleFeatures = hasJournal ? [.fileType, .needsRecovery, .metaGroups] : [.fileType, .metaGroups]
    guard readOnly.rawValue & ~7 == 0, old.isSuperset(of: incompatible) else { return "ext4" }
    return hasJournal ? "ext3" : "ext2"
  }
}
