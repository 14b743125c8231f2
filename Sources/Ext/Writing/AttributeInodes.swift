import BlockIO
import Bytes
import Filesystems

/// Inodes that hold values of extended attributes (ea_inode): who refers to them is counted in fields for other things.
extension Changes {
  /// Lets go of an attribute's value where it lies in an inode of its own.
  func release(_ attribute: StoredAttribute) throws {
    if attribute.valueInode != 0 { try changeReferences(of: attribute.valueInode, by: -1) }
  }

  /// Counts references to a value's inode; the last one's end frees it.
  func changeReferences(of number: UInt32, by difference: Int64) throws {
    var record = try record(UInt64(number))
    guard record.flags.contains(.attributeValue), !record.flags.contains(.inlineData) else {
      throw blocks.damaged("inode \(number) does not hold the value of an attribute")
    }
    let count =
      Int64(record.load(Inode.Field.version, as: UInt32.self))
      | Int64(record.load(Inode.Field.changed, as: UInt32.self)) << 32
    let after = count + difference
    guard after > 0 else { return try erase(record) }
    record.store(UInt32(truncatingIfNeeded: after), at: Inode.Field.version)
    record.store(UInt32(truncatingIfNeeded: after >> 32), at: Inode.Field.changed)
    try write(record)
  }

  /// Sees to it that the volume is known to keep extended attributes, as the kernel does at the first one.
  func requireExtendedAttributes(of number: UInt32) throws {
    guard !superblock.compatible.contains(.extendedAttributes) else { return }
    guard superblock.revision > 0 else {
      throw FileError(.unsupported("a volume of revision 0 keeps no extended attributes"), "inode \(number)")
    }
    let features = superblock.compatible.union(.extendedAttributes).rawValue
    try editSuperblock { $0.store(littleEndian: features, at: Superblock.Field.compatible) }
  }

  /// Moves an attribute's value into an inode of its own, whose hash lies where the time of the last access would.
  func move(valueOf attribute: inout StoredAttribute, near number: UInt32) throws {
    let value = attribute.value
    let holder = try allocateInode(.regular, in: number)
    var record = newRecord(holder)
    record.mode = FileKind.regular.modeBits | 0o600
    record.linkCount = 1
    record.generation = UInt32.random(in: 1...UInt32.max)
    record.clearMap(superblock)
    record.flags.insert(.attributeValue)
    record.size = UInt64(value.count)
    record.setModified(now)
    record.setCreated(now)
    record.store(UInt32(1), at: Inode.Field.version)
    var crc = CRC32C(register: superblock.checksumSeed)
    crc.update(value.raw)
    record.store(crc.register, at: Inode.Field.accessed)
    var map = MapEditor(record, self)
    let count = (value.count + blockSize - 1) / blockSize
    var done = 0
    for block in try map.grow(from: 0, count: UInt64(count)).joined() {
      let piece = Array(value.dropFirst(done).prefix(blockSize))
      try make(block) { $0.copy(piece.raw, at: 0) }
      done += blockSize
    }
    try write(map.record)
    attribute.moveValue(to: holder, hash: crc.register)
  }
}
