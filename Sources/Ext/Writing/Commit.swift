import BlockIO
import Bytes
import Filesystems

/// Makes a transaction's changes permanent in the right order.
final class Commit {
  private let changes: Changes
  private let recovery: RecoveringStore

  init(_ changes: Changes, _ recovery: RecoveringStore) {
    self.changes = changes
    self.recovery = recovery
  }

  /// Most blocks in use that one transaction can change.
  var capacity: Int { Int.max }

  /// Writes what is staged to the volume.
  func commit() throws {
    let staged = changes.stagedBlocks
    let bits = UInt64(changes.superblock.blockBits)
    try changes.staged.write(staged.new.map { $0 << bits })
    try changes.staged.flush()
    try changes.staged.write(staged.used.map { $0 << bits })
    try changes.staged.flush()
  }

  /// Marks the volume as clean after the last transaction.
  func finish() throws { try changes.staged.flush() }
}
