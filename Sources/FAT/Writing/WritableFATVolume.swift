import BlockIO
import Bytes
import Filesystems

/// A FAT12, FAT16 or FAT32 volume whose files can be changed.
///
/// FAT has no journal. The order of writes leaves after a cut what fsck.fat mends without losing anything: clusters too
/// many in use, parts of a long name without its file, a chain longer than its file. Renaming is one write where both
/// names can end in one sector; else both are there for a moment, and fsck.fat leaves the contents to one of them.
final class WritableFATVolume: ClusterFilesystem {
  static let formatName = "FAT"
  static let checker = "fsck.fat"

  let reader: FATVolume
  let state: ClusterState<DirectoryIndex>
  private let copies: TableCopies
  private var mark: InUseMark

  /// Opens the volume, without writing; throws `ImageError` where its boot sector is none of FAT's.
  init(_ store: any BlockStore, isRehearsal: Bool) throws {
    let plain = try FATVolume(store)
    let volume = StagedVolume(store, unit: Int(plain.boot.sectorSize), isRehearsal: isRehearsal)
    reader = try FATVolume(volume)
    state = ClusterState(of: volume, heap: reader.heap, table: reader.table)
    copies = TableCopies(of: reader)
    mark = InUseMark(of: reader)
  }

  func checkFitness() throws -> FreeClusters { try FitnessCheck(reader, copies).run() }

  func markInUse() throws { try mark.set(in: volume) }

  func finish() throws {
    try commit()
    guard mark.isSet, !state.isBroken else { return }
    try storeCounts()
    try mark.clear(in: volume)
  }

  /// Stores how many clusters are free, and where to look for them, where FAT32 keeps that.
  private func storeCounts() throws {
    guard let free = state.freeClusters, let place = reader.infoSectorPlace else { return }
    var buffer = Buffer(count: InfoSector.size)
    var bytes = buffer.mutablePrefix(InfoSector.size)
    try volume.read(at: place, into: &bytes)
    guard var info = try? InfoSector(parsing: bytes.bytes) else { return }
    info.freeClusters = UInt32(clamping: free.count)
    info.nextFree = free.next
    info.store(into: &bytes)
    try volume.stage(bytes.bytes, at: place)
    try volume.write(volume.offsets)
    try volume.flush()
  }
}

extension WritableFATVolume {
  /// Stages a change; all copies of the table get it.
  func stage(_ change: ClusterChange) throws {
    switch change {
    case .bytes(let bytes, let offset):
      // Safe: every byte of the array is initialised.
      try volume.stage(unsafe bytes.span.bytes, at: offset)
    case .zeroes(let offset, let count): volume.stageZeroes(at: offset, count: count)
    case .chain(let run, let end): try stage(run) { $0 == run.last ? end : $0 + 1 }
    case .piece(let run): try stage(run) { $0 == run.last ? copies.width.endMark : $0 + 1 }
    case .entry(let cluster, let value): try stage(ClusterRun(first: cluster, count: 1)) { _ in value }
    case .free(let run): try stage(run) { _ in 0 }
    }
  }

  private func stage(_ run: ClusterRun, value: (UInt32) -> UInt32) throws {
    try copies.stage(run, in: volume, value: value)
    reader.table.forget(run)
  }

  func nextCluster(isFree: Bool, from cluster: UInt64, limit: UInt64) throws -> UInt64 {
    try reader.table.next(isZero: isFree, from: cluster, limit: limit)
  }

  func forgetDirectories() { reader.forget() }

  func forgetEntry(at offset: UInt64) { reader.forgetEntry(at: offset) }

  func forgetEntries() { reader.cache.removeAll() }

  func forgetTables() { reader.table.removeAll() }

  func firstCluster(ofIndexed directory: FileID) throws -> UInt32? { try reader.firstCluster(ofDirectory: directory) }

  func makeIndex(of directory: FileID) throws -> DirectoryIndex {
    try DirectoryIndex(try reader.directory(directory), of: reader)
  }

  /// Takes clusters and makes them a chain that nothing leads to yet; throws `FileError.noSpace`, for `name`, with nothing
  /// taken.
  func makeChain(of count: UInt64, for name: String) throws -> [ClusterRun] {
    let runs = try takeClusters(count, for: name)
    try makeChain(runs)
    return runs
  }

  /// Gives up the chain that starts at `first`, 0 for none, once the transaction's other changes are on the medium.
  func release(from first: UInt32) throws {
    if first != 0 { release(try runs(from: first)) }
  }
}

extension WritableFATVolume {
  func lookup(_ name: FileName, in directory: FileID) throws -> FileID? {
    guard let index = try knownIndex(of: directory) else { return try reader.lookup(name, in: directory) }
    guard let units = name.utf16, let slots = index.slots(ofFolded: WantedName.fold(units)) else { return nil }
    return file(slots, of: index)
  }

  /// How callers find the file whose entry is the last of `slots`.
  func file(_ slots: Range<Int>, of index: DirectoryIndex) -> FileID {
    FileID(
      index.place(of: slots.upperBound - 1).offset / UInt64(ShortEntry.size), context: UInt64(index.firstCluster))
  }
}

extension TableCopies {
  /// The tables that a FAT volume keeps up to date: all, or where mirroring is off the active one.
  init(of volume: FATVolume) {
    let size = UInt64(volume.boot.tableSectors) * UInt64(volume.boot.sectorSize)
    let first = UInt64(volume.boot.reservedSectors) * UInt64(volume.boot.sectorSize)
    self.init(
      volume.table.width,
      at: volume.boot.wide?.onlyActiveTable != nil
        ? [volume.table.start] : (0..<UInt64(volume.boot.tableCount)).map { first + $0 * size })
  }
}
