import BlockIO
import Bytes
import Filesystems

/// Taking and freeing inodes, and writing them.
extension Changes {
  /// Groups that are compared for a new directory below the root.
  private static let mostCompared: UInt64 = 1 << 14

  /// Takes a free inode near its directory `parent`; new directories below the root are spread over the groups.
  func allocateInode(_ kind: FileKind, in parent: UInt32) throws -> UInt32 {
    let perGroup = UInt64(superblock.inodesPerGroup)
    let count = blocks.layout.groupCount
    var home = (UInt64(parent) - 1) / perGroup
    if kind == .directory, try isSpread(parent) { home = try emptiestGroup(otherwise: home) }
    for step in 0..<count {
      let group = (home + step) % count
      guard try blocks.descriptor(of: group).freeInodes > 0, let index = try freeInode(in: group) else { continue }
      try markInode(index, of: group, asUsed: true, isDirectory: kind == .directory)
      let number = UInt32(group * perGroup) + UInt32(index) + 1
      notes.unwrittenInodes.insert(number)
      return number
    }
    throw FileError(.noSpace, "the volume has no free inode")
  }

  /// Whether directories in `parent` have nothing to do with each other.
  private func isSpread(_ parent: UInt32) throws -> Bool {
    try UInt64(parent) == ExtVolume.rootInode || blocks.inode(UInt64(parent)).flags.contains(.topDirectory)
  }

  /// The group with the fewest directories among those with inodes and blocks above the average.
  private func emptiestGroup(otherwise home: UInt64) throws -> UInt64 {
    let count = min(blocks.layout.groupCount, Self.mostCompared)
    let inodes = UInt64(superblock.freeInodeCount) / blocks.layout.groupCount
    let space = (superblock.freeBlockCount >> UInt64(superblock.clusterBits)) / blocks.layout.groupCount
    var best: (group: UInt64, directories: UInt32)?
    for group in 0..<count {
      let descriptor = try blocks.descriptor(of: group)
      guard descriptor.freeInodes > 0, UInt64(descriptor.freeInodes) >= inodes,
        UInt64(descriptor.freeClusters) >= space, descriptor.directoryCount < best?.directories ?? .max
      else { continue }
      best = (group, descriptor.directoryCount)
    }
    return best?.group ?? home
  }

  /// The first inode of a group that is free and was so before the transaction.
  private func freeInode(in group: UInt64) throws -> Int? {
    let bits = try inodeBitmap(of: group)
    let map = Bitmap(bits.raw, count: Int(superblock.inodesPerGroup))
    let base = group * UInt64(superblock.inodesPerGroup)
    var index = map.next(false, from: base == 0 ? Int(superblock.firstInode) - 1 : 0)
    while index < map.count {
      if !notes.freedInodes.contains(UInt32(base) + UInt32(index) + 1) { return index }
      index = map.next(false, from: index + 1)
    }
    return nil
  }

  /// Frees an inode, whose contents are gone already.
  func freeInode(_ record: InodeRecord) throws {
    let perGroup = UInt64(superblock.inodesPerGroup)
    let index = (UInt64(record.number) - 1) % perGroup
    try markInode(
      Int(index), of: (UInt64(record.number) - 1) / perGroup, asUsed: false, isDirectory: record.kind == .directory)
    notes.freedInodes.insert(record.number)
  }

  /// The inode `number`, which must be in use, to be changed.
  func record(_ number: UInt64) throws -> InodeRecord {
    let inode = try blocks.inode(number)
    return InodeRecord(number: inode.number, bytes: inode.bytes.array, superblock)
  }

  /// The inode `number` as it is, in use or not.
  private func storedRecord(_ number: UInt32) throws -> InodeRecord {
    let inode = try blocks.anyInode(UInt64(number))
    return InodeRecord(number: number, bytes: inode.bytes.array, superblock)
  }

  /// An empty inode in the place of `number`.
  func newRecord(_ number: UInt32) -> InodeRecord {
    var record = InodeRecord(number: number, bytes: [UInt8](repeating: 0, count: superblock.inodeSize), superblock)
    if superblock.inodeSize > Inode.oldByteCount { record.store(Inode.usualExtraSize, at: Inode.Field.extraSize) }
    return record
  }

  /// Writes an inode, whose checksum is made here.
  func write(_ record: InodeRecord) throws {
    if superblock.readOnly.contains(.quota) {
      noteUsage(from: try notes.unwrittenInodes.contains(record.number) ? nil : storedRecord(record.number), to: record)
    }
    notes.unwrittenInodes.remove(record.number)
    var record = record
    if superblock.hasMetadataChecksums { record.seal(seed: superblock.checksumSeed) }
    let place = try blocks.inodePlace(UInt64(record.number))
    let offset = place.piece + UInt64(place.inPiece)
    let bytes = record.bytes
    try edit(offset >> UInt64(superblock.blockBits)) { $0.copy(bytes.raw, at: Int(offset % UInt64(blockSize))) }
    blocks.forget(at: place.piece)
  }
}
