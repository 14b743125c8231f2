import BlockIO
import Bytes
import Filesystems

extension Changes {
  /// Frees a file that has no name any longer: its contents, its attributes and its inode.
  func erase(_ record: InodeRecord) throws {
    var attributes = try AttributeEditor(record, self)
    try attributes.removeAll()
    try attributes.finish()
    var record = attributes.record
    if record.hasBlocks {
      var map = MapEditor(record, self)
      try map.cut(from: 0)
      record = map.record
      record.size = 0
    }
    record.linkCount = 0
    record.deleted = UInt32(truncatingIfNeeded: now.seconds)
    try write(record)
    try freeInode(record)
  }
}

extension InodeRecord {
  /// Whether the map's place holds a map of blocks, not contents, a short link's target or a device's numbers.
  var hasBlocks: Bool {
    guard !flags.contains(.inlineData) else { return false }
    switch kind {
    case .regular, .directory: return true
    case .symbolicLink: return flags.contains(.extents) || size >= UInt64(Inode.mapByteCount)
    default: return false
    }
  }
}
