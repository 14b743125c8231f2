import BlockIO
import Bytes
import Filesystems

/// Files that wait to be removed, or cut: the list that begins in the superblock, and the orphan file.
extension Changes {
  /// Blocks that a transaction may stage beside those of one file that goes.
  private static let reserve = 64

  /// Whether any file waits.
  var hasOrphans: Bool {
    get throws { superblock.lastOrphan != 0 || superblock.readOnly.contains(.orphanPresent) }
  }

  /// Whether freeing a file's blocks may be more than one transaction can hold: bitmaps and blocks of descriptors.
  func isTooMuch(_ record: InodeRecord) -> Bool {
    guard capacity < Int.max, record.hasBlocks else { return false }
    let taken = UInt64(clamping: record.allocatedByteCount(superblock)) >> UInt64(superblock.blockBits)
    let groups = min(blocks.layout.groupCount, taken)
    let descriptors = min(blocks.layout.descriptorBlockCount, groups)
    return Int(clamping: groups + descriptors) + Self.reserve > capacity - staged.stagedCount
  }

  /// Whether the transaction changes more than the journal holds.
  var isOverfull: Bool { usedCount > capacity }

  /// Throws where the transaction changes more than the journal holds, before a file's new contents are written.
  func requireRoomInJournal() throws {
    guard !isOverfull else {
      throw ImageError(
        .unsupported, format: blocks.type,
        "the change takes \(usedCount) blocks of the journal at once, and it has room for \(capacity)")
    }
  }

  /// Lets a file wait at the head of the list, to be removed, or cut to its size, in transactions to come.
  func addOrphan(_ record: inout InodeRecord) throws {
    record.deleted = superblock.lastOrphan
    let number = record.number
    try editSuperblock { $0.store(littleEndian: number, at: Superblock.Field.lastOrphan) }
    try write(record)
  }

  /// Removes one file that waits, or as much of it as a transaction holds.
  func removeOrphan() throws {
    guard superblock.lastOrphan != 0 else { return try emptyOrphanFile() }
    var record = try orphan(superblock.lastOrphan)
    let next = record.deleted
    guard try settle(&record) else { return try write(record) }
    try editSuperblock { $0.store(littleEndian: next, at: Superblock.Field.lastOrphan) }
  }

  private func orphan(_ number: UInt32) throws -> InodeRecord {
    let inode = try blocks.anyInode(UInt64(number))
    guard inode.mode != 0, UInt64(number) >= UInt64(superblock.firstInode) else {
      throw blocks.damaged("inode \(number) waits to be removed and is not in use; run e2fsck", at: inode.offset)
    }
    return InodeRecord(number: number, bytes: inode.bytes.array, superblock)
  }

  /// Frees a waiting file's blocks and, where it has no name, the rest of it; returns whether that is all.
  private func settle(_ record: inout InodeRecord) throws -> Bool {
    let isNamed = record.linkCount > 0
    if record.hasBlocks {
      let size = UInt64(blockSize)
      // A list is freed at once, and each of its blocks may lie in a group of its own.
      let step = Self.reserve + (record.flags.contains(.extents) ? 0 : blockSize / 4)
      let most = capacity < Int.max ? max(capacity - step, capacity / 4) : Int.max
      var map = MapEditor(record, self)
      let isDone = try map.cut(from: isNamed ? (record.size + size - 1) / size : 0, staging: most)
      record = map.record
      guard isDone else { return false }
    }
    guard isNamed else {
      try erase(record)
      return true
    }
    record.deleted = 0
    try write(record)
    return true
  }

  // MARK: - The orphan file

  /// What the last eight bytes of each of its blocks start with.
  private static let orphanFileMagic: UInt32 = 0x0b10_ca04
  private static let tailByteCount = 8

  /// Removes what the orphan file lists, and empties it.
  private func emptyOrphanFile() throws {
    let file = try blocks.inode(UInt64(superblock.orphanFileInode))
    let map = try BlockMap(of: file, blocks)
    let count = file.size / UInt64(blockSize)
    guard count <= superblock.blockCount else { throw blocks.damaged("the orphan file is larger than the volume") }
    for number in 0..<count {
      guard case .data(let place) = try map.run(at: number).contents else { continue }
      try emptyOrphanBlock(place, seed: map.seed)
    }
    let features = superblock.readOnly.subtracting(.orphanPresent).rawValue
    try editSuperblock { $0.store(littleEndian: features, at: Superblock.Field.readOnlyCompatible) }
  }

  private func emptyOrphanBlock(_ place: UInt64, seed: UInt32) throws {
    let block = try blocks.block(place, for: "the orphan file")
    let end = blockSize - Self.tailByteCount
    guard block.bytes.littleEndian(at: end, as: UInt32.self) == Self.orphanFileMagic else {
      throw blocks.damaged("the orphan file has a block without a magic number", at: block.offset)
    }
    guard !block.bytes.slice(0, end).isAllZero else { return }
    for offset in stride(from: 0, to: end, by: 4) {
      let number: UInt32 = block.bytes.littleEndian(at: offset)
      guard number != 0 else { continue }
      var record = try orphan(number)
      guard try settle(&record) else {
        throw ImageError(
          .unsupported, format: blocks.type,
          "a file that waits to be removed is too much for the journal; mount the volume once")
      }
    }
    var bytes = [UInt8](repeating: 0, count: blockSize)
    bytes.store(Self.orphanFileMagic, at: end)
    if superblock.hasMetadataChecksums {
      var crc = CRC32C(register: seed)
      crc.update(littleEndian: place)
      crc.update(bytes.raw.slice(0, end))
      bytes.store(crc.register, at: end + 4)
    }
    let emptied = bytes
    try edit(place) { $0.copy(emptied.raw, at: 0) }
  }
}
