package import BlockIO
import Bytes
import Filesystems

/// An exFAT volume whose files can be changed.
///
/// exFAT has no journal. The order of writes leaves after a cut clusters too many in use, and entries without their file,
/// which fsck.exfat takes away. Renaming is one write where both names can start in one sector; else both are there for
/// a moment, and fsck.exfat leaves the contents to the one that comes first.
package final class WritableExFATVolume: WritableFilesystem {
  /// What reads the volume with all changes.
  let reader: ExFATVolume
  let volume: StagedVolume
  let bitmap: AllocationBitmap?
  private let table: TableCopies
  /// The transaction's changes so far.
  var changes = ClusterTransaction()
  /// Files that the transaction has cut, whose last cluster still holds what the volume itself shows.
  var cutFiles: Set<FileID> = []
  /// Where files have gone whose entries had to move.
  private var moved: [FileID: FileID] = [:]
  /// Nil until it is needed.
  private var freeClusters: FreeClusters?
  /// The directories last changed, the latest last.
  private var indexes: [DirectoryIndex] = []
  private static let maximumIndexCount = 4
  private var isMarked = false
  private var isChecked = false
  /// Whether writing has failed midway, so that the volume is to be checked first.
  private var isBroken = false

  /// Opens the volume, without writing; throws `ImageError` where neither boot region describes one that fits.
  package init(_ store: any BlockStore, isRehearsal: Bool) throws {
    let plain = try ExFATVolume(store)
    volume = StagedVolume(store, unit: Int(plain.boot.sectorSize), isRehearsal: isRehearsal)
    reader = try ExFATVolume(volume)
    bitmap = reader.description.bitmap
    table = TableCopies(.bits32, at: [reader.table.start])
  }

  package func requireWritable() throws {
    guard !isBroken else {
      throw ImageError(
        .damaged, format: ExFATVolume.format, "writing has failed midway before; run fsck.exfat on the volume first")
    }
    guard !isChecked else { return }
    try FitnessCheck(reader).run()
    isChecked = true
  }

  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try requireWritable()
    let before = (freeClusters, moved)
    let result: Result
    do {
      result = try body()
    } catch {
      volume.drop()
      (freeClusters, moved) = before
      forgetAll()
      throw error
    }
    do {
      try commit()
    } catch {
      isBroken = true
      volume.drop()
      forgetAll()
      throw error
    }
    return result
  }

  private func commit() throws {
    defer {
      changes = ClusterTransaction()
      cutFiles = []
    }
    guard !changes.isEmpty else { return }
    try markInUse()
    try changes.commit(to: volume) { try stage($0) }
    freeClusters?.add(changes.releases.clusterCount)
    reader.forget()
  }

  private func forgetAll() {
    changes = ClusterTransaction()
    cutFiles = []
    indexes = []
    reader.forget()
    reader.cache.removeAll()
    reader.table.removeAll()
    bitmap?.removeAll()
  }

  /// Marks the volume as being changed, if that was not done yet.
  func markInUse() throws {
    guard !isMarked else { return }
    isMarked = true
    try storeFlags(reader.boot.flags.union(.dirty), percent: nil)
  }

  package func finish() throws {
    guard isMarked, !isBroken else { return }
    let total = UInt64(reader.heap.clusterCount)
    let used = total - (try freeClusterCount())
    // A mark that was there before stays, so that the volume is checked.
    try storeFlags(reader.boot.flags, percent: UInt8(clamping: used * 100 / total))
    isMarked = false
  }

  /// Stores the volume's flags and how much of it is in use, which no checksum covers, in the main boot sector.
  private func storeFlags(_ flags: BootSector.Flags, percent: UInt8?) throws {
    var bytes = [UInt8](repeating: 0, count: 2)
    bytes.withRaw { $0.store(littleEndian: flags.rawValue, at: 0) }
    try volume.flush()
    if let percent {
      let one = [percent]
      try volume.writeThrough(one.raw, at: UInt64(BootSector.Offset.percentInUse))
    }
    try volume.writeThrough(bytes.raw, at: UInt64(BootSector.Offset.flags))
    try volume.flush()
  }

  /// Where a file is now that a caller knows from before.
  func current(_ file: FileID) -> FileID {
    var file = file
    // No file moves onto itself, and each move leads on to a later one.
    for _ in 0..<moved.count {
      guard let next = moved[file] else { break }
      file = next
    }
    return file
  }

  /// Takes note that a file's entries have moved.
  func noteMove(of file: FileID, to new: FileID) {
    moved[new] = nil
    if file != new { moved[file] = new }
  }

  /// Takes note that an entry's place belongs to a new file.
  func noteNew(_ file: FileID) { moved[file] = nil }
}

extension WritableExFATVolume {
  /// Stages a change.
  func stage(_ change: ClusterChange) throws {
    switch change {
    case .bytes(let bytes, let offset): try volume.stage(bytes.raw, at: offset)
    case .zeroes(let offset, let count): volume.stageZeroes(at: offset, count: count)
    case .chain(let run, let end):
      try stageBits(run, isUsed: true)
      try table.stage(run, in: volume) { $0 == run.last ? end : $0 + 1 }
      reader.table.forget(run)
    case .piece(let run): try stageBits(run, isUsed: true)
    case .entry(let cluster, let value):
      let run = ClusterRun(first: cluster, count: 1)
      try table.stage(run, in: volume) { _ in value }
      reader.table.forget(run)
    case .free(let run): try stageBits(run, isUsed: false)
    }
  }

  /// Stages whether clusters are in use.
  private func stageBits(_ run: ClusterRun, isUsed: Bool) throws {
    guard let bitmap else { throw reader.heap.damaged("the root directory names no bitmap of clusters") }
    try bitmap.stage(run, isUsed: isUsed, in: volume)
  }

  /// Notes and stages a change that becomes part of the new, or of what makes it reachable.
  func allocate(_ change: ClusterChange) throws {
    changes.allocations.append(change)
    try stage(change)
  }

  /// Takes free clusters, from `near` on if that is given; throws `FileError.noSpace`, for `name`, with nothing taken.
  func takeClusters(_ count: UInt64, near: UInt32? = nil, for name: String) throws -> [ClusterRun] {
    guard count > 0 else { return [] }
    guard let bitmap else { throw reader.heap.damaged("the root directory names no bitmap of clusters") }
    var free = try freeClusters ?? FreeClusters(in: reader.heap, count: freeClusterCount(), next: nil)
    freeClusters = free
    let runs = try free.take(count, near: near) { isFree, from, limit in
      try bitmap.next(isUsed: !isFree, from: from, limit: limit)
    }
    guard let runs else { throw FileError(.noSpace, name) }
    freeClusters = free
    return runs
  }

  /// Clusters that are free.
  func freeClusterCount() throws -> UInt64 {
    try freeClusters?.count ?? reader.statistics().freeBlockCount
  }

  /// Makes runs a chain that nothing leads to yet.
  func makeChain(_ runs: [ClusterRun]) throws {
    for (index, run) in runs.enumerated() {
      try allocate(.chain(run, end: index + 1 < runs.count ? runs[index + 1].first : Self.endMark))
    }
  }

  /// The table's entry with which chains end.
  static let endMark: UInt32 = 0xffff_ffff

  /// The clusters of a stream from its cluster number `index` on; of a chain all, however long its file is.
  func runs(of stream: EntrySet.Stream, index: UInt64 = 0) throws -> [ClusterRun] {
    guard stream.byteCount > 0 else { return [] }
    let count = reader.heap.clusters(for: stream.byteCount)
    let chain = try ClusterChain(
      from: stream.firstCluster, in: reader.heap, table: reader.table, pieceCount: stream.isOnePiece ? count : nil)
    var runs: [ClusterRun] = []
    var index = index
    while let run = try chain.run(at: index, limit: UInt64(UInt32.max)) {
      runs.add(ClusterRun(first: run.cluster, count: UInt32(clamping: run.count)))
      index += run.count
    }
    return runs
  }

  /// Gives up a stream's clusters, once the transaction's other changes are on the medium.
  func release(_ stream: EntrySet.Stream) throws {
    guard stream.byteCount > 0 else { return }
    changes.releases += try runs(of: stream)
    indexes.removeAll { $0.firstCluster == stream.firstCluster }
    reader.forget()
  }

  /// Changes a directory's bytes; they must lie in one sector.
  func stageDirectory(_ bytes: [UInt8], at offset: UInt64, cluster: UInt32) throws {
    let change = ClusterChange.bytes(bytes, at: offset)
    if changes.freshClusters.contains(cluster) { changes.fresh.append(change) } else { changes.switches.append(change) }
    try stage(change)
    reader.forgetEntry(at: offset)
  }

  /// A directory's index, read if it is not in memory.
  func index(of directory: FileID) throws -> DirectoryIndex {
    let opened = try reader.directory(directory)
    if opened.firstCluster != 0, let place = indexes.lastIndex(where: { $0.firstCluster == opened.firstCluster }) {
      let found = indexes.remove(at: place)
      indexes.append(found)
      return found
    }
    let stream =
      directory == root
      ? EntrySet.Stream(isOnePiece: false, firstCluster: opened.firstCluster, byteCount: 1, validByteCount: 1)
      : try reader.entrySet(of: directory).stream
    let index = try DirectoryIndex(opened, runs: runs(of: stream), of: reader)
    if indexes.count == Self.maximumIndexCount { indexes.removeFirst() }
    indexes.append(index)
    return index
  }

  /// A directory's index, if it is in memory.
  func knownIndex(of directory: FileID) throws -> DirectoryIndex? {
    let first = try reader.directory(directory).firstCluster
    return first == 0 ? nil : indexes.last { $0.firstCluster == first }
  }
}
