package import BlockIO
import Bytes
import Filesystems

/// A FAT12, FAT16 or FAT32 volume whose files can be changed.
///
/// FAT has no journal. The order of writes leaves after a cut what fsck.fat mends without losing anything: clusters too
/// many in use, parts of a long name without its file, a chain longer than its file. Renaming is one write where both
/// names can end in one sector; else both are there for a moment, and fsck.fat leaves the contents to one of them.
package final class WritableFATVolume: WritableFilesystem {
  /// What reads the volume with all changes.
  let reader: FATVolume
  let volume: StagedVolume
  let copies: TableCopies
  /// The transaction's changes so far.
  var changes = ClusterTransaction()
  /// Files that the transaction has cut, whose last cluster still holds what the volume itself shows.
  var cutFiles: Set<FileID> = []
  /// Nil until it is needed.
  private var freeClusters: FreeClusters?
  /// The directories last changed, the latest last.
  private var indexes: [DirectoryIndex] = []
  private static let maximumIndexCount = 4
  private var state: InUseMark
  /// Whether the volume was found to be fit for writing.
  private var isChecked = false
  /// Whether writing has failed midway, so that the volume is to be checked first.
  private var isBroken = false

  /// Opens the volume, without writing; throws `ImageError` where its boot sector is none of FAT's.
  package init(_ store: any BlockStore, isRehearsal: Bool) throws {
    let plain = try FATVolume(store)
    volume = StagedVolume(store, unit: Int(plain.boot.sectorSize), isRehearsal: isRehearsal)
    reader = try FATVolume(volume)
    copies = TableCopies(of: reader)
    state = InUseMark(of: reader)
  }

  package func requireWritable() throws {
    guard !isBroken else { throw Self.broken }
    guard !isChecked else { return }
    try FitnessCheck(reader, copies).run()
    isChecked = true
  }

  private static let broken = ImageError(
    .damaged, format: FATVolume.format, "writing has failed midway before; run fsck.fat on the volume first")

  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try requireWritable()
    let before = freeClusters
    let result: Result
    do {
      result = try body()
    } catch {
      volume.drop()
      freeClusters = before
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
    for run in changes.releases { reader.table.forget(run) }
    if !changes.releases.isEmpty || !changes.allocations.isEmpty { reader.forget() }
  }

  private func forgetAll() {
    changes = ClusterTransaction()
    cutFiles = []
    indexes = []
    reader.forget()
    reader.cache.removeAll()
    reader.table.removeAll()
  }

  /// Marks the volume as being changed, if that was not done yet.
  func markInUse() throws { try state.set(in: volume) }

  package func finish() throws {
    guard state.isSet, !isBroken else { return }
    try storeCounts()
    try state.clear(in: volume)
  }

  /// Stores how many clusters are free, and where to look for them, where FAT32 keeps that.
  private func storeCounts() throws {
    guard let wide = reader.boot.wide, 1..<reader.boot.reservedSectors ~= wide.infoSector else { return }
    let free = try freeClusters ?? countFreeClusters()
    let place = UInt64(wide.infoSector) * UInt64(reader.boot.sectorSize)
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
    let endMark = copies.width.endMark
    switch change {
    case .bytes(let bytes, let offset):
      // Safe: every byte of the array is initialised.
      try volume.stage(unsafe bytes.span.bytes, at: offset)
    case .zeroes(let offset, let count): volume.stageZeroes(at: offset, count: count)
    case .chain(let run, let end): try copies.stage(run, in: volume) { $0 == run.last ? end : $0 + 1 }
    case .piece(let run): try copies.stage(run, in: volume) { $0 == run.last ? endMark : $0 + 1 }
    case .entry(let cluster, let value):
      try copies.stage(ClusterRun(first: cluster, count: 1), in: volume) { _ in value }
    case .free(let run): try copies.stage(run, in: volume) { _ in 0 }
    }
  }

  /// Stages an entry or chain for the transaction too, and has it read anew.
  private func stageTable(_ change: ClusterChange, _ run: ClusterRun) throws {
    try stage(change)
    reader.table.forget(run)
  }

  /// Takes clusters and makes them a chain that nothing leads to yet; throws `FileError.noSpace`, for `name`, with nothing
  /// taken.
  func allocate(_ count: UInt64, for name: String) throws -> [ClusterRun] {
    guard count > 0 else { return [] }
    var free = try freeClusters ?? countFreeClusters()
    freeClusters = free
    let runs = try free.take(count) { isFree, from, limit in
      try reader.table.next(isZero: isFree, from: from, limit: limit)
    }
    guard let runs else { throw FileError(.noSpace, name) }
    freeClusters = free
    for (index, run) in runs.enumerated() {
      let end = index + 1 < runs.count ? runs[index + 1].first : copies.width.endMark
      changes.allocations.append(.chain(run, end: end))
      try stageTable(.chain(run, end: end), run)
    }
    return runs
  }

  private func countFreeClusters() throws -> FreeClusters {
    var next: UInt32?
    if let wide = reader.boot.wide, 1..<reader.boot.reservedSectors ~= wide.infoSector {
      let place = UInt64(wide.infoSector) * UInt64(reader.boot.sectorSize)
      let block = try MetadataBlock(of: volume, at: place, count: InfoSector.size)
      next = (try? InfoSector(parsing: block.bytes))?.nextFree
    }
    return FreeClusters(in: reader.heap, count: UInt64(try reader.countFreeClusters()), next: next)
  }

  /// Makes `cluster`, the last of a chain in use, lead to `next`.
  func link(_ cluster: UInt32, to next: UInt32, isFresh: Bool) throws {
    let change = ClusterChange.entry(of: cluster, next)
    changes.cuts[cluster] = nil
    if isFresh { changes.allocations.append(change) } else { changes.switches.append(change) }
    try stageTable(change, ClusterRun(first: cluster, count: 1))
    reader.forget()
  }

  /// Makes `cluster` the last of its chain, once the transaction's other changes are on the medium.
  func cut(after cluster: UInt32) throws {
    changes.cuts[cluster] = copies.width.endMark
    try stageTable(.entry(of: cluster, copies.width.endMark), ClusterRun(first: cluster, count: 1))
    reader.forget()
  }

  /// The runs of the chain that starts at `first`, from its cluster number `index` on.
  func runs(from first: UInt32, index: UInt64 = 0) throws -> [ClusterRun] {
    var runs: [ClusterRun] = []
    let chain = try ClusterChain(from: first, in: reader.heap, table: reader.table)
    var index = index
    while let run = try chain.run(at: index, limit: UInt64(UInt32.max)) {
      runs.add(ClusterRun(first: run.cluster, count: UInt32(clamping: run.count)))
      index += run.count
    }
    return runs
  }

  /// Gives up the chain that starts at `first`, 0 for none, once the transaction's other changes are on the medium.
  func release(from first: UInt32) throws {
    guard first != 0 else { return }
    changes.releases += try runs(from: first)
    indexes.removeAll { $0.firstCluster == first }
    reader.forget()
  }

  /// Changes a directory's bytes; they must lie in one cluster, or in the root's own area for cluster 0.
  func stageDirectory(_ bytes: [UInt8], at offset: UInt64, cluster: UInt32) throws {
    let unit = UInt64(volume.unit)
    var done = 0
    while done < bytes.count {
      let place = offset + UInt64(done)
      let count = min(bytes.count - done, Int(unit - place % unit))
      let change = ClusterChange.bytes(Array(bytes[done..<(done + count)]), at: place)
      if changes.freshClusters.contains(cluster) {
        changes.fresh.append(change)
      } else {
        changes.switches.append(change)
      }
      try stage(change)
      reader.forgetEntry(at: place)
      done += count
    }
  }

  /// A directory's index, read if it is not in memory.
  func index(of directory: FileID) throws -> DirectoryIndex {
    let first = try reader.firstCluster(ofDirectory: directory)
    if let place = indexes.lastIndex(where: { $0.firstCluster == first }) {
      let found = indexes.remove(at: place)
      indexes.append(found)
      return found
    }
    let index = try DirectoryIndex(try reader.directory(directory), of: reader)
    if indexes.count == Self.maximumIndexCount { indexes.removeFirst() }
    indexes.append(index)
    return index
  }

  /// A directory's index, if it is in memory.
  func knownIndex(of directory: FileID) throws -> DirectoryIndex? {
    let first = try reader.firstCluster(ofDirectory: directory)
    return indexes.last { $0.firstCluster == first }
  }

  /// Clusters that are free.
  func freeClusterCount() throws -> UInt64 {
    try freeClusters?.count ?? UInt64(reader.countFreeClusters())
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

extension FileAllocationTable.Width {
  /// The entry with which chains end.
  var endMark: UInt32 { self == .bits32 ? 0xffff_ffff : badMark + 8 }
}
