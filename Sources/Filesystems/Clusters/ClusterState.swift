import BlockIO

/// What a driver that changes a FAT or exFAT volume keeps in memory.
package final class ClusterState<Index: DirectoryIndexing> {
  /// The volume with the transaction's changes.
  package let volume: StagedVolume
  package let heap: ClusterHeap
  package let table: FileAllocationTable
  /// The changes of the transaction, and of those before it that have not reached the volume.
  package var changes = ClusterTransaction()
  /// Files that these have cut, whose last cluster still holds what the volume itself shows.
  package var cutFiles: Set<FileID> = []
  /// Where files have gone whose entries had to move.
  private var moved: [FileID: FileID] = [:]
  /// Nil until the volume was found to be fit for writing.
  package internal(set) var freeClusters: FreeClusters?
  /// The directories last changed, the latest last.
  private var indexes: [Index] = []
  private let maximumIndexCount = 4
  /// Lets transactions wait for later ones.
  let grouping = TransactionGroup()
  /// Whether writing has failed midway, so that the volume is to be checked first.
  package internal(set) var isBroken = false

  package init(of volume: StagedVolume, heap: ClusterHeap, table: FileAllocationTable) {
    self.volume = volume
    self.heap = heap
    self.table = table
  }

  /// What a transaction that throws goes back to.
  struct Mark {
    fileprivate let freeClusters: FreeClusters?
    fileprivate let moved: [FileID: FileID]
    fileprivate let changes: ClusterTransaction.Mark
    fileprivate let cutFiles: Set<FileID>
  }

  var mark: Mark { Mark(freeClusters: freeClusters, moved: moved, changes: changes.mark, cutFiles: cutFiles) }

  func goBack(to mark: Mark) {
    (freeClusters, moved, cutFiles) = (mark.freeClusters, mark.moved, mark.cutFiles)
    changes.goBack(to: mark.changes)
  }

  /// Most changes that wait, and most bytes of them.
  private let maximumWaitingCount = 4096
  private let maximumWaitingByteCount = 4 << 20

  /// Whether the changes so far may wait for those of later transactions.
  var canWait: Bool {
    changes.canWait
      && changes.fresh.count + changes.allocations.count + changes.switches.count <= maximumWaitingCount
      && volume.stagedCount * volume.unit <= maximumWaitingByteCount
  }

  /// Forgets the changes, which have reached the volume or never will.
  func endChanges() {
    changes = ClusterTransaction()
    cutFiles = []
  }

  func forgetIndexes() { indexes = [] }

  /// Where a file is now that a caller knows from before.
  package func current(_ file: FileID) -> FileID {
    var file = file
    // No file moves onto itself, and each move leads on to a later one.
    for _ in 0..<moved.count {
      guard let next = moved[file] else { break }
      file = next
    }
    return file
  }

  /// Takes note that a file's entries have moved.
  package func noteMove(of file: FileID, to new: FileID) {
    moved[new] = nil
    if file != new { moved[file] = new }
  }

  /// Takes note that an entry's place belongs to a new file.
  package func noteNew(_ file: FileID) { moved[file] = nil }

  /// The index of the directory that starts at a cluster, if it is in memory; it then goes last.
  func useIndex(from first: UInt32) -> Index? {
    guard let place = indexes.lastIndex(where: { $0.firstCluster == first }) else { return nil }
    let found = indexes.remove(at: place)
    indexes.append(found)
    return found
  }

  func index(from first: UInt32) -> Index? { indexes.last { $0.firstCluster == first } }

  func keep(_ index: Index) {
    if indexes.count == maximumIndexCount { indexes.removeFirst() }
    indexes.append(index)
  }

  /// Forgets the index of a directory that is given up.
  func forgetIndex(from first: UInt32) { indexes.removeAll { $0.firstCluster == first } }
}
