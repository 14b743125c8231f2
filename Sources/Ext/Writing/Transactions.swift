import BlockIO
import Filesystems

/// Runs operations, each by itself or, with a journal, several to one commit.
///
/// An operation that fails is taken back alone; those before it in its group stay.
final class Transactions {
  private let changes: Changes
  private let commit: Commit
  private let grouping = TransactionGroup()
  /// The state before the first operation that waits for its commit; nil where none waits.
  private var start: Changes.Savepoint?
  /// Most bytes of metadata that wait for a commit, before another operation.
  var mostStagedByteCount = 4 << 20

  init(_ changes: Changes, _ commit: Commit) {
    self.changes = changes
    self.commit = commit
  }

  /// Whether operations wait for their commit.
  var isWaiting: Bool { start != nil }

  /// Runs an operation, and commits it unless a group is open that has room for more.
  func run<Result>(_ body: () throws -> Result) throws -> Result {
    if !isWaiting {
      try commit.recover()
      // What an earlier user of the volume has left to be removed.
      try removeOrphans()
    }
    let result = try add(body)
    if try !grouping.isOpen || isFull || changes.hasOrphans { try settle() }
    // What was too much for one transaction.
    try removeOrphans()
    return result
  }

  /// Lets operations wait for each other's commit until `body` ends.
  func group<Result>(_ body: () throws -> Result) throws -> Result {
    guard commit.hasJournal else { return try body() }
    return try grouping.run(body, commit: settle)
  }

  /// Commits what waits, and marks the volume as clean.
  func finish() throws {
    try settle()
    try commit.finish()
  }

  /// Stages an operation behind those that wait; if it finds no room because of them, they are committed first.
  private func add<Result>(_ body: () throws -> Result) throws -> Result {
    let before = try changes.begin(capacity: commit.capacity)
    do {
      let result = try body()
      try changes.seal()
      try changes.requireRoomInJournal()
      changes.close()
      if start == nil { start = before }
      return result
    } catch {
      let needsRoom = changes.isOverfull || (error as? FileError)?.reason == .noSpace
      changes.goBack(to: before)
      guard needsRoom, isWaiting else { throw error }
    }
    try settle()
    return try add(body)
  }

  private var isFull: Bool {
    get throws {
      try changes.staged.stagedCount * changes.blockSize >= mostStagedByteCount
        || changes.usedCount >= commit.capacity / 2
    }
  }

  /// Commits what waits.
  private func settle() throws {
    guard let before = start else { return }
    start = nil
    do { try commit.commit() } catch {
      changes.goBack(to: before)
      throw error
    }
    changes.end()
  }

  /// Removes the files that wait for it, each in as many transactions as it takes.
  private func removeOrphans() throws {
    var steps: UInt64 = 0
    while try changes.hasOrphans {
      steps += 1
      guard steps <= changes.superblock.blockCount else {
        throw changes.blocks.damaged("the list of orphans goes round")
      }
      try add { try changes.removeOrphan() }
      try settle()
    }
  }
}
