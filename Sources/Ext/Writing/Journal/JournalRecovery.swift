import BlockIO
import Bytes
import Filesystems

/// Writes what waits in a journal to its places.
struct JournalRecovery {
  private let log: JournalLog
  private let replayed: RedirectedVolume
  private let transactionCount: UInt32
  private let store: any BlockStore
  private static let mostGathered = 1 << 20

  /// Recovers `store`, whose superblock is `superblock` as it lies there; throws `ImageError` where the log is damaged,
  /// before anything is written.
  init(of store: any BlockStore, _ superblock: Superblock) throws {
    self.store = store
    log = try JournalLog(of: VolumeBlocks(store, superblock))
    let found = try JournalReplay.run(log)
    transactionCount = found?.transactionCount ?? 0
    replayed = RedirectedVolume(store, found?.map ?? RedirectMap([]), blockSize: superblock.blockSize)
  }

  /// Writes the blocks, then empties the journal; the volume stays marked as to be recovered.
  func run() throws {
    let size = UInt64(log.blocks.blockSize)
    let entries = replayed.map.entries
    var index = 0
    while index < entries.count {
      let first = entries[index].block
      var end = index + 1
      while end < entries.count, entries[end].block == first + UInt64(end - index),
        (end - index) * Int(size) < Self.mostGathered
      { end += 1 }
      try write(from: first * size, byteCount: (end - index) * Int(size))
      index = end
    }
    try store.flush()
    guard log.superblock.start != 0 else { return }
    try JournalWriter(log, store).empty(after: transactionCount)
    try store.flush()
  }

  private func write(from offset: UInt64, byteCount: Int) throws {
    var buffer = Buffer(zeroes: byteCount)
    var span = buffer.mutablePrefix(byteCount)
    try replayed.read(at: offset, into: &span)
    var bytes = buffer.prefix(byteCount).array
    let place = Int64(Superblock.offset) - Int64(offset)
    if place >= 0, place + Int64(Superblock.byteCount) <= Int64(byteCount) {
      // Until the log is empty, whoever mounts the volume must find it.
      SuperblockMark.set(in: &bytes, at: Int(place), needsRecovery: true)
    }
    try store.write(bytes.raw, at: offset)
  }
}
