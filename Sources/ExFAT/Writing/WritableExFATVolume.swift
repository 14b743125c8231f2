import BlockIO
import Bytes
import Filesystems

/// An exFAT volume whose files can be changed.
///
/// exFAT has no journal. The order of writes leaves after a cut clusters too many in use, and entries without their file,
/// which fsck.exfat takes away. Renaming is one write where both names can start in one sector; else both are there for
/// a moment, and fsck.exfat leaves the contents to the one that comes first.
final class WritableExFATVolume: ClusterFilesystem {
  static let formatName = "exFAT"
  static let checker = "fsck.exfat"

  let reader: ExFATVolume
  let state: ClusterState<DirectoryIndex>
  private let bitmap: AllocationBitmap?
  private let table: TableCopies
  private var isMarked = false

  /// Opens the volume, without writing; throws `ImageError` where neither boot region describes one that fits.
  init(_ store: any BlockStore, isRehearsal: Bool) throws {
    let plain = try ExFATVolume(store)
    let volume = StagedVolume(store, unit: Int(plain.boot.sectorSize), isRehearsal: isRehearsal)
    reader = try ExFATVolume(volume)
    state = ClusterState(of: volume, heap: reader.heap, table: reader.table)
    bitmap = reader.description.bitmap
    table = TableCopies(.bits32, at: [reader.table.start])
  }

  func checkFitness() throws -> FreeClusters {
    try FitnessCheck(reader).run()
    return FreeClusters(in: reader.heap, count: try reader.statistics().freeBlockCount, next: nil)
  }

  func markInUse() throws {
    guard !isMarked else { return }
    try storeFlags(reader.boot.flags.union(.dirty), percent: nil)
    isMarked = true
  }

  func finish() throws {
    try commit()
    guard isMarked, !state.isBroken else { return }
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
    try reader.bitmap().stage(run, isUsed: isUsed, in: volume)
  }

  func nextCluster(isFree: Bool, from cluster: UInt64, limit: UInt64) throws -> UInt64 {
    try reader.bitmap().next(isUsed: !isFree, from: cluster, limit: limit)
  }

  func forgetDirectories() { reader.forget() }

  func forgetEntry(at offset: UInt64) { reader.forgetEntry(at: offset) }

  func forgetEntries() { reader.cache.removeAll() }

  func forgetTables() {
    reader.table.removeAll()
    bitmap?.removeAll()
  }

  func firstCluster(ofIndexed directory: FileID) throws -> UInt32? {
    let first = try reader.directory(directory).firstCluster
    return first == 0 ? nil : first
  }

  func makeIndex(of directory: FileID) throws -> DirectoryIndex {
    let opened = try reader.directory(directory)
    let stream =
      directory == root
      ? EntrySet.Stream(isOnePiece: false, firstCluster: opened.firstCluster, byteCount: 1, validByteCount: 1)
      : try reader.entrySet(of: directory).stream
    return try DirectoryIndex(opened, runs: runs(of: stream), of: reader)
  }

  /// The clusters of a stream from its cluster number `index` on; of a chain all, however long its file is.
  func runs(of stream: EntrySet.Stream, index: UInt64 = 0) throws -> [ClusterRun] {
    guard stream.byteCount > 0 else { return [] }
    let count = reader.heap.clusters(for: stream.byteCount)
    return try runs(from: stream.firstCluster, index: index, pieceCount: stream.isOnePiece ? count : nil)
  }

  /// Gives up a stream's clusters, once the transaction's other changes are on the medium.
  func release(_ stream: EntrySet.Stream) throws {
    if stream.byteCount > 0 { release(try runs(of: stream)) }
  }
}
