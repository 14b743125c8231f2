import Bytes
import Filesystems

extension Inode {
  /// What stat(2) tells, but for the flags' words; nil where the mode stands for no kind of file.
  func attributes(_ superblock: Superblock) -> FileAttributes? {
    guard let kind else { return nil }
    let bytes = bytes
    func number(_ low: Int, _ high: Int) -> UInt32 {
      UInt32(bytes.littleEndian(at: low, as: UInt16.self))
        | UInt32(bytes.littleEndian(at: high, as: UInt16.self)) << 16
    }
    var result = FileAttributes(
      kind: kind, permissions: mode & 0xfff, owner: number(Field.ownerLow, Field.ownerHigh),
      group: number(Field.groupLow, Field.groupHigh), byteCount: size, allocatedByteCount: allocated(superblock),
      linkCount: UInt32(linkCount), modified: time(Field.modified, extra: Field.modifiedExtra))
    result.accessed = time(Field.accessed, extra: Field.accessedExtra)
    result.changed = time(Field.changed, extra: Field.changedExtra)
    if holds(Field.created, 4) { result.created = time(Field.created, extra: Field.createdExtra) }
    if kind == .characterDevice || kind == .blockDevice { result.device = device }
    return result
  }

  /// Seconds, with nanoseconds and two more bits of the seconds where the inode has room for them.
  private func time(_ field: Int, extra: Int) -> Timestamp {
    let bytes = bytes
    let seconds = Int64(bytes.littleEndian(at: field, as: Int32.self))
    guard holds(extra, 4) else { return Timestamp(seconds: seconds) }
    let more: UInt32 = bytes.littleEndian(at: extra)
    return Timestamp(seconds: seconds + Int64(more & 3) << 32, nanoseconds: min(more >> 2, 999_999_999))
  }

  /// Bytes of the volume that are in use for the file.
  private func allocated(_ superblock: Superblock) -> UInt64 {
    // As the kernel tells it of contents in the inode, so that nobody takes the file for a hole.
    let inline = flags.contains(.inlineData) && kind == .regular ? (min(size, 1 << 16) + 511) / 512 * 512 : 0
    return inline + allocatedBlocks(superblock)
  }

  private func allocatedBlocks(_ superblock: Superblock) -> UInt64 {
    let low = UInt64(bytes.littleEndian(at: Field.sectorsLow, as: UInt32.self))
    guard superblock.readOnly.contains(.hugeFiles), superblock.creatorOS != 1 else { return low * 512 }
    let count = low | UInt64(bytes.littleEndian(at: Field.sectorsHigh, as: UInt16.self)) << 32
    return flags.contains(.hugeFile) ? count << UInt64(superblock.blockBits) : count * 512
  }

  /// Numbers of a device: the old form in the first word of the map, or the new one in the second.
  private var device: FileAttributes.DeviceNumbers {
    let old: UInt32 = map.littleEndian(at: 0)
    guard old == 0 else { return .init(major: old >> 8 & 0xff, minor: old & 0xff) }
    let new: UInt32 = map.littleEndian(at: 4)
    return .init(major: new >> 8 & 0xfff, minor: new & 0xff | new >> 12 & 0xfff00)
  }
}
