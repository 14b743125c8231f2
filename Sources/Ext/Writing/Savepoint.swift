import Filesystems

extension Changes {
  /// What is known of the blocks that a transaction has staged.
  struct Notes {
    /// Staged blocks that were free before the transaction, so that nothing refers to them until it is over.
    var newBlocks: Set<UInt64> = []
    /// When blocks in use are written where there is no journal.
    var phases: [UInt64: WritePhase] = [:]
    /// Clusters freed in the transaction, by group, as bits of bitmaps; they are not used again before it is over.
    var freed: [UInt64: [UInt8]] = [:]
    /// Inodes freed in the transaction, which are not used again before it is over either.
    var freedInodes: Set<UInt32> = []
    /// Blocks of files' contents that are staged: ends of files that were cut or go on.
    var editedData: Set<UInt64> = []
    /// What the superblock's counters still have to gain.
    var freeBlockGain: Int64 = 0
    var freeInodeGain: Int64 = 0
    /// What owners gain for the quota files.
    var usage: [Account: QuotaGain] = [:]
    /// Inodes taken in the transaction that were not written yet, so that their bytes mean nothing.
    var unwrittenInodes: Set<UInt32> = []
  }

  /// A transaction between two operations, to go back to.
  struct Savepoint {
    let staged: StagedVolume.Snapshot
    let notes: Notes
    let superblock: Superblock
  }
}
