import BlockIO
import Bytes
import Filesystems

/// Makes a transaction's changes permanent in the right order.
///
/// With a journal: the volume is marked as to be recovered; what nothing refers to yet goes to its place; the rest goes
/// into the log, the log is made to count, the blocks go to their places, and the log is emptied. Without one: the volume
/// is marked as not clean, and each phase of the writes is on the medium before the next.
final class Commit {
  private let changes: Changes
  private let recovery: RecoveringStore
  private var journal: JournalWriter?
  /// Whether the volume bears the mark of being changed.
  private(set) var isMarked = false
  /// Whether a commit has failed on its way, so that what is on the medium is to be repaired before anything else.
  private var isBroken = false
  /// Whether a journal without an end was there as the volume was opened.
  private var needsRecovery: Bool

  init(_ changes: Changes, _ recovery: RecoveringStore) {
    self.changes = changes
    self.recovery = recovery
    needsRecovery = changes.superblock.incompatible.contains(.needsRecovery)
  }

  /// Whether transactions go through a journal.
  var hasJournal: Bool { changes.superblock.compatible.contains(.hasJournal) }

  /// Throws where the journal, or what waits in it, keeps the volume from being changed.
  func requireWritable() throws {
    guard !isMarked else { return }
    let superblock = changes.superblock
    func refuse(_ detail: String) -> ImageError { ImageError(.unsupported, format: changes.blocks.type, detail) }
    guard hasJournal else {
      guard !needsRecovery else { throw refuse("the volume says to need recovery and has no journal; run e2fsck") }
      guard superblock.state.contains(.cleanlyUnmounted) else {
        throw refuse("the volume was not unmounted cleanly and has no journal; run e2fsck before it is changed")
      }
      return
    }
    _ = try openJournal()
  }

  /// Throws after a commit that has failed.
  func requireIntact() throws {
    guard !isBroken else {
      throw ImageError(
        .refused, format: changes.blocks.type,
        "writing a change has failed; the volume is left as after a power cut, to be recovered")
    }
  }

  /// Most blocks in use that one transaction can change.
  var capacity: Int {
    get throws { try hasJournal ? openJournal().capacity : Int.max }
  }

  private func openJournal() throws -> JournalWriter {
    if let journal { return journal }
    let opened = try JournalWriter(JournalLog(of: VolumeBlocks(recovery, changes.superblock)), recovery)
    journal = opened
    return opened
  }

  /// Writes what is staged to the volume.
  func commit() throws {
    let count = changes.stagedBlocks.used.count
    guard try count <= capacity else {
      throw ImageError(
        .unsupported, format: changes.blocks.type,
        "the change takes \(count) blocks of the journal at once, and it has room for \(try capacity)")
    }
    if changes.staged.isRehearsal { return try changes.staged.write(changes.staged.offsets) }
    isBroken = true
    if !isMarked { try mark() }
    if hasJournal { try commitThroughJournal() } else { try commitInPhases() }
    isBroken = false
  }

  /// Writes to its places what waits in the journal, once, before the first transaction writes anything.
  func recover() throws {
    guard needsRecovery else { return }
    try JournalRecovery(of: recovery, changes.superblock).run()
    recovery.markRecovered()
    journal = nil
    needsRecovery = false
  }

  /// Writes the mark to the medium, beside all that is staged, and into what is staged.
  private func mark() throws {
    let place = changes.superblockPlace
    let offset = place.block << UInt64(changes.superblock.blockBits)
    var buffer = Buffer(zeroes: changes.blockSize)
    var span = buffer.mutablePrefix(changes.blockSize)
    try recovery.read(at: offset, into: &span)
    var bytes = buffer.prefix(changes.blockSize).array
    if hasJournal {
      SuperblockMark.set(in: &bytes, at: place.offset, needsRecovery: true)
    } else {
      SuperblockMark.set(in: &bytes, at: place.offset, isClean: false)
    }
    try recovery.write(bytes.raw, at: offset)
    try recovery.flush()
    isMarked = true
    try editMark(isMarked: true)
  }

  private func editMark(isMarked: Bool) throws {
    let hasJournal = hasJournal
    try changes.editSuperblock { bytes in
      if hasJournal {
        SuperblockMark.set(in: &bytes, needsRecovery: isMarked)
      } else {
        SuperblockMark.set(in: &bytes, isClean: !isMarked)
      }
    }
  }

  private func offsets(_ blocks: [UInt64]) -> [UInt64] { blocks.map { $0 << UInt64(changes.superblock.blockBits) } }

  private func commitThroughJournal() throws {
    let staged = changes.staged
    let blocks = changes.stagedBlocks
    try staged.write(offsets(blocks.new))
    guard !blocks.used.isEmpty else { return try staged.flush() }
    let journal = try openJournal()
    try journal.write(blocks.used, at: changes.now) { block in
      staged.staged(at: block << UInt64(changes.superblock.blockBits)) ?? []
    }
    try staged.flush()
    try journal.point(toLog: true)
    try staged.flush()
    try staged.write(offsets(blocks.used))
    try staged.flush()
    try journal.point(toLog: false)
    try staged.flush()
  }

  private func commitInPhases() throws {
    var blocks: [WritePhase: [UInt64]] = [:]
    let staged = changes.stagedBlocks
    blocks[.fresh] = staged.new
    for block in staged.used { blocks[changes.phase(of: block), default: []].append(block) }
    for phase in WritePhase.allCases {
      guard let blocks = blocks[phase], !blocks.isEmpty || phase == .fresh else { continue }
      try changes.staged.write(offsets(blocks))
      try changes.staged.flush()
    }
  }

  /// Marks the volume as clean after the last transaction, and not after one that has failed.
  func finish() throws {
    try requireIntact()
    guard isMarked else { return }
    try editMark(isMarked: false)
    try changes.staged.write(offsets([changes.superblockPlace.block]))
    try changes.staged.flush()
    isMarked = false
  }
}
