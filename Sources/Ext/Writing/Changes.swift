import BlockIO
import Bytes
import Filesystems

/// The changes of one transaction: staged blocks of metadata, which of them were free before, and the counters.
///
/// Several operations may be staged one after another; each can be taken back as long as it is the last.
///
/// Readers of the same `VolumeBlocks` see every change as soon as it is made.
final class Changes {
  let blocks: VolumeBlocks
  let staged: StagedVolume
  /// The moment of the transaction, which changed files bear.
  private(set) var now = Timestamp(seconds: 0)
  /// Whether a transaction is open.
  private(set) var isOpen = false
  /// What is known of the staged blocks.
  var notes = Notes()
  /// Most blocks in use that the transaction may change.
  private(set) var capacity = Int.max

  init(_ blocks: VolumeBlocks, _ staged: StagedVolume) {
    self.blocks = blocks
    self.staged = staged
  }

  var superblock: Superblock { blocks.superblock }
  var blockSize: Int { blocks.blockSize }

  /// Starts an operation, in a transaction that may change as many blocks in use as `capacity`; returns what to go back
  /// to if it fails.
  func begin(capacity: Int) throws -> Savepoint {
    guard !isOpen else {
      throw ImageError(.refused, format: blocks.type, "a transaction is open already")
    }
    self.capacity = capacity
    isOpen = true
    now = .now
    return Savepoint(staged: staged.snapshot(), notes: notes, superblock: superblock)
  }

  /// Ends an operation, whose changes stay staged.
  func close() { isOpen = false }

  /// Ends an operation without its changes, or forgets several that were to be committed.
  func goBack(to before: Savepoint) {
    isOpen = false
    staged.restore(before.staged)
    notes = before.notes
    blocks.adopt(before.superblock)
    blocks.forgetAll()
  }

  /// Forgets what is staged, after it has reached the volume.
  func end() {
    staged.drop()
    notes = Notes()
  }

  /// Writes the counters into the superblock, as the last change of an operation.
  func seal() throws {
    guard staged.stagedCount > 0 else { return }
    try settleUsage()
    let (blockGain, inodeGain) = (notes.freeBlockGain, notes.freeInodeGain)
    (notes.freeBlockGain, notes.freeInodeGain) = (0, 0)
    let free = UInt64(clamping: Int64(clamping: superblock.freeBlockCount) + blockGain)
    let inodes = UInt32(clamping: Int64(superblock.freeInodeCount) + inodeGain)
    let isWide = superblock.incompatible.contains(.wide)
    let seconds = UInt32(truncatingIfNeeded: now.seconds)
    try editSuperblock { bytes in
      bytes.store(littleEndian: UInt32(truncatingIfNeeded: free), at: Superblock.Field.freeBlockCountLow)
      if isWide {
        bytes.store(littleEndian: UInt32(truncatingIfNeeded: free >> 32), at: Superblock.Field.freeBlockCountHigh)
      }
      bytes.store(littleEndian: inodes, at: Superblock.Field.freeInodeCount)
      bytes.store(littleEndian: seconds, at: Superblock.Field.writeTime)
    }
  }

  // MARK: - Blocks

  /// Changes the bytes of a block of metadata; whoever changes it keeps its checksum right.
  func edit<Result>(_ block: UInt64, _ body: (inout MutableRawSpan) throws -> Result) throws -> Result {
    let offset = try blocks.offset(of: block, for: "a block to change")
    defer { blocks.forget(block) }
    return try staged.change(at: offset, body)
  }

  /// Fills a block that was allocated in this transaction; it starts as zeroes.
  func make<Result>(_ block: UInt64, _ body: (inout MutableRawSpan) throws -> Result) throws -> Result {
    let offset = try blocks.offset(of: block, for: "a new block")
    notes.newBlocks.insert(block)
    defer { blocks.forget(block) }
    return try staged.change(at: offset, isNew: true, body)
  }

  /// Changes a block in use of a file's contents, so that the change is part of the transaction; nothing in a rehearsal.
  func editData(_ block: UInt64, _ body: (inout MutableRawSpan) throws -> Void) throws {
    guard !staged.isRehearsal else { return }
    try edit(block, body)
    notes.editedData.insert(block)
  }

  /// Forgets the changes of a block that was freed.
  func forget(_ block: UInt64) {
    notes.newBlocks.remove(block)
    notes.phases[block] = nil
    notes.editedData.remove(block)
    staged.forget(at: block << UInt64(superblock.blockBits))
    blocks.forget(block)
  }

  /// How many blocks in use are staged.
  var usedCount: Int { staged.stagedCount - notes.newBlocks.count }

  /// Says when a staged block is to be written on a volume without a journal.
  func mark(_ block: UInt64, _ phase: WritePhase) {
    notes.phases[block] = notes.phases[block]?.joined(with: phase) ?? phase
  }

  /// When a staged block is to be written: with the inodes unless something else was said.
  func phase(of block: UInt64) -> WritePhase {
    if notes.newBlocks.contains(block) { return .fresh }
    return notes.phases[block] ?? (notes.editedData.contains(block) ? .added : .inodes)
  }

  /// The superblock's block, and its place there in bytes.
  var superblockPlace: (block: UInt64, offset: Int) {
    (Superblock.offset / UInt64(blockSize), Int(Superblock.offset % UInt64(blockSize)))
  }

  /// Changes the superblock, whose checksum is made here.
  func editSuperblock(_ body: (inout MutableRawSpan) -> Void) throws {
    let place = superblockPlace
    let hasChecksum = superblock.hasMetadataChecksums
    let offset = place.block << UInt64(superblock.blockBits)
    let changed = try staged.change(at: offset) { block in
      var bytes = block.mutableSlice(place.offset, Superblock.byteCount)
      body(&bytes)
      if hasChecksum {
        var crc = CRC32C()
        crc.update(bytes.bytes.slice(0, Superblock.Field.checksum))
        bytes.store(littleEndian: crc.register, at: Superblock.Field.checksum)
      }
      do throws(LayoutError) { return try Superblock(parsing: bytes.bytes) } catch {
        throw blocks.damaged(error, in: "the superblock", at: Superblock.offset)
      }
    }
    mark(place.block, .maps)
    blocks.forget(place.block)
    blocks.adopt(changed)
  }

  /// The staged blocks: those that were free before the transaction, and those that were in use; both ascending.
  var stagedBlocks: (new: [UInt64], used: [UInt64]) {
    var result: (new: [UInt64], used: [UInt64]) = ([], [])
    for offset in staged.offsets {
      let block = offset >> UInt64(superblock.blockBits)
      if notes.newBlocks.contains(block) { result.new.append(block) } else { result.used.append(block) }
    }
    return result
  }
}
