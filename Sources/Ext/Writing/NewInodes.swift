import BlockIO
import Bytes
import Filesystems

/// What new inodes start with.
extension Changes {
  /// Makes a regular file's contents empty: in the inode where the volume does that, else a map without blocks.
  func makeEmpty(_ record: inout InodeRecord) throws {
    if superblock.incompatible.contains(.inlineData) {
      var attributes = try AttributeEditor(record, self)
      if attributes.fitsInline(0) {
        try attributes.setInlineData([])
        try attributes.finish()
        record = attributes.record
        record.flags.insert(.inlineData)
        return
      }
    }
    record.clearMap(superblock)
  }

  /// Sets where a symbolic link points to: in the map's place if it is short, else in a block.
  func setTarget(of record: inout InodeRecord, to target: [UInt8]) throws {
    guard target.count >= Inode.mapByteCount else {
      record.map = target + [UInt8](repeating: 0, count: Inode.mapByteCount - target.count)
      record.size = UInt64(target.count)
      return
    }
    record.clearMap(superblock)
    var map = MapEditor(record, self)
    guard let block = try map.grow(from: 0, count: 1).first?.lowerBound else { throw FileError(.noSpace, "the volume") }
    record = map.record
    record.size = UInt64(target.count)
    try make(block) { $0.copy(target.raw, at: 0) }
  }
}

extension InodeRecord {
  /// Flags that new files take over from their directory.
  private static let inherited: UInt32 = 0x6001_c4cb
  /// Flags among them that only directories have: casefold, project-hierarchy, synchronous-directory.
  private static let ofDirectories: UInt32 = 0x6001_0000
  /// Flags among them that everything but files and directories has: no-dump, no-atime.
  private static let ofOthers: UInt32 = 0xc0
  /// The flag of a directory whose project its new files belong to.
  private static let projectHierarchy: UInt32 = 0x2000_0000

  /// Takes over the flags and the project that new files in a directory have.
  mutating func inherit(from directory: InodeRecord) {
    let all = directory.flags.rawValue & Self.inherited
    let mask: UInt32 =
      switch kind {
      case .directory: ~0
      case .regular: ~Self.ofDirectories
      default: Self.ofOthers
      }
    flags = InodeFlags(rawValue: all & mask)
    guard directory.flags.rawValue & Self.projectHierarchy != 0, holds(Inode.Field.project, 4),
      directory.holds(Inode.Field.project, 4)
    else { return }
    store(directory.load(Inode.Field.project, as: UInt32.self), at: Inode.Field.project)
  }

  /// Sets a device's numbers, in the old form if they fit it; returns whether they fit any.
  mutating func setDevice(_ device: FileAttributes.DeviceNumbers) -> Bool {
    guard device.major < 1 << 12, device.minor < 1 << 20 else { return false }
    if device.major < 256, device.minor < 256 {
      store(device.major << 8 | device.minor, at: Inode.Field.map)
    } else {
      store(device.minor & 0xff | device.major << 8 | (device.minor & ~0xff) << 12, at: Inode.Field.map + 4)
    }
    return true
  }
}

extension VolumeBlocks {
  /// The directory above a directory.
  func parent(of inode: Inode) throws -> UInt64 {
    if inode.flags.contains(.inlineData) { return UInt64(inode.map.littleEndian(at: 0, as: UInt32.self)) }
    let block = try Directory(inode, self).block(0)
    // `.` is the first entry and `..` the second, also where an index follows.
    let first = DirectoryBlock.length(
      block.bytes.littleEndian(at: DirectoryBlock.Field.length), blockSize: block.bytes.byteCount)
    guard first >= 12, first + 12 <= block.bytes.byteCount else {
      throw damaged("directory \(inode.number) does not begin with an entry for itself", at: block.offset)
    }
    return UInt64(block.bytes.littleEndian(at: first + DirectoryBlock.Field.inode, as: UInt32.self))
  }
}
