import BlockIO

/// A FAT or exFAT volume whose files can be changed: all that does not depend on how either stores a change.
///
/// In a group, transactions that only add something wait for each other, so that many files need few flushes: all contents
/// and chains are on the medium before the first entry that leads to one of them.
package protocol ClusterFilesystem: WritableFilesystem {
  associatedtype Reader: Filesystem
  associatedtype Index: DirectoryIndexing

  /// The format for errors, as `FAT`, and its checker, as `fsck.fat`.
  static var formatName: String { get }
  static var checker: String { get }
  /// What reads the volume with all changes.
  var reader: Reader { get }
  var state: ClusterState<Index> { get }

  /// Throws `ImageError` where the volume is not to be written; else the clusters that are free.
  func checkFitness() throws -> FreeClusters
  /// The first cluster from a number up to a limit that is free or is not, or the limit.
  func nextCluster(isFree: Bool, from cluster: UInt64, limit: UInt64) throws -> UInt64
  /// Stages a change, and forgets what was read of it before.
  func stage(_ change: ClusterChange) throws
  /// Marks the volume as being changed, if that was not done yet.
  func markInUse() throws
  /// Forgets which directories were read, after chains were changed.
  func forgetDirectories()
  /// Forgets the directory's entry at `offset`, after it was changed.
  func forgetEntry(at offset: UInt64)
  /// Forgets all that was read of directories.
  func forgetEntries()
  /// Forgets all that was read of tables.
  func forgetTables()
  /// A directory's first cluster, 0 for the area of FAT's old root; nil where it has none.
  func firstCluster(ofIndexed directory: FileID) throws -> UInt32?
  /// Reads a directory whole.
  func makeIndex(of directory: FileID) throws -> Index
}

extension ClusterFilesystem {
  package var volume: StagedVolume { state.volume }

  package func requireWritable() throws {
    guard !state.isBroken else {
      throw ImageError(
        .damaged, format: reader.type, "writing has failed midway before; run \(Self.checker) on the volume first")
    }
    if state.freeClusters == nil { state.freeClusters = try checkFitness() }
  }

  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try requireWritable()
    let before = state.mark
    let result: Result
    do {
      result = try body()
    } catch {
      state.goBack(to: before)
      forgetAll()
      do { try state.changes.stageAgain { try stage($0) } } catch { state.isBroken = true }
      throw error
    }
    if !state.grouping.isOpen || !state.canWait { try commit() }
    return result
  }

  package func group<Result>(_ body: () throws -> Result) throws -> Result {
    try state.grouping.run(body, commit: commit)
  }

  /// Writes the changes that wait; throws where that fails, after which the volume is not written any more.
  package func commit() throws {
    defer { state.endChanges() }
    let changes = state.changes
    guard !changes.isEmpty else { return }
    do {
      try markInUse()
      try changes.commit(to: volume) { try stage($0) }
    } catch {
      state.isBroken = true
      forgetAll()
      throw error
    }
    state.freeClusters?.add(changes.releases.clusterCount)
    if !changes.releases.isEmpty || !changes.allocations.isEmpty { forgetDirectories() }
  }

  /// Forgets what is staged and all that was read.
  private func forgetAll() {
    volume.drop()
    state.forgetIndexes()
    forgetDirectories()
    forgetEntries()
    forgetTables()
  }

  /// Clusters that are free.
  package func freeClusterCount() throws -> UInt64 {
    try state.freeClusters?.count ?? reader.statistics().freeBlockCount
  }

  /// Takes free clusters, from `near` on if that is given; throws `FileError.noSpace`, for `name`, with nothing taken.
  package func takeClusters(_ count: UInt64, near: UInt32? = nil, for name: String) throws -> [ClusterRun] {
    guard count > 0 else { return [] }
    try requireWritable()
    let runs = try state.freeClusters?.take(count, near: near) { isFree, from, limit in
      try nextCluster(isFree: isFree, from: from, limit: limit)
    }
    guard let runs = runs ?? nil else { throw FileError(.noSpace, name) }
    return runs
  }

  /// A directory's index, read if it is not in memory.
  package func index(of directory: FileID) throws -> Index {
    if let first = try firstCluster(ofIndexed: directory), let found = state.useIndex(from: first) { return found }
    let index = try makeIndex(of: directory)
    state.keep(index)
    return index
  }

  /// A directory's index, if it is in memory.
  package func knownIndex(of directory: FileID) throws -> Index? {
    try firstCluster(ofIndexed: directory).flatMap { state.index(from: $0) }
  }
}
