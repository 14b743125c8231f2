/// When a block of a transaction is written; with a journal, everything but `fresh` goes through its log.
///
/// Without a journal each phase is on the medium before the next begins. A new file's name comes before its inode and a
/// removed one's goes after it, so that a cut leaves a name without an inode, which e2fsck takes away, and never an
/// inode without a name.
enum WritePhase: UInt8, CaseIterable, Sendable {
  /// Newly allocated: nothing that can be reached refers to it yet.
  case fresh
  /// A directory's block that got an entry, or an entry of which got another inode.
  case added
  /// Inodes, and what is changed in place below them: maps of blocks, extended attributes.
  case inodes
  /// A directory's block that lost an entry.
  case removed
  /// A directory's block of which entries went to another block, or the index above it.
  case moved
  /// Bitmaps, descriptors, the superblock, quotas.
  case maps

  /// The phase of a block that is changed twice in one transaction.
  func joined(with other: WritePhase) -> WritePhase {
    if self == .fresh || other == .fresh { return .fresh }
    if self == .moved || other == .moved { return .moved }
    return rawValue < other.rawValue ? self : other
  }
}
