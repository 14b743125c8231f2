import BlockIO
import Bytes

/// Changes of chains, of their contents and of directories' bytes.
extension ClusterFilesystem {
  /// The runs of clusters from `first` on, in a chain or in one piece of `pieceCount`, from cluster number `index` on; of
  /// a chain all, however long its file is.
  package func runs(from first: UInt32, index: UInt64 = 0, pieceCount: UInt64? = nil) throws -> [ClusterRun] {
    let chain = try ClusterChain(from: first, in: state.heap, table: state.table, pieceCount: pieceCount)
    var runs: [ClusterRun] = []
    var index = index
    while let run = try chain.run(at: index, limit: UInt64(UInt32.max)) {
      runs.add(ClusterRun(first: run.cluster, count: UInt32(clamping: run.count)))
      index += run.count
    }
    return runs
  }

  /// Gives up the clusters of a file or directory, once the transaction's other changes are on the medium.
  package func release(_ runs: [ClusterRun]) {
    state.changes.releases += runs
    if let first = runs.first { state.forgetIndex(from: first.first) }
    forgetDirectories()
  }

  /// Notes and stages a change that becomes part of the new.
  package func allocate(_ change: ClusterChange) throws {
    state.changes.allocations.append(change)
    try stage(change)
  }

  /// Makes runs a chain that nothing leads to yet.
  package func makeChain(_ runs: [ClusterRun]) throws {
    for (index, run) in runs.enumerated() {
      try allocate(.chain(run, end: index + 1 < runs.count ? runs[index + 1].first : state.table.width.endMark))
    }
  }

  /// Makes `cluster`, the last of a chain, lead to `next`.
  package func link(_ cluster: UInt32, to next: UInt32) throws {
    state.changes.cuts[cluster] = nil
    let isNew = state.changes.allocations.contains {
      if case .chain(let run, _) = $0 { run.last == cluster } else { false }
    }
    let change = ClusterChange.entry(of: cluster, next)
    if isNew { state.changes.allocations.append(change) } else { state.changes.switches.append(change) }
    try stage(change)
    forgetDirectories()
  }

  /// Makes `cluster` the last of its chain, once the transaction's other changes are on the medium.
  package func cut(after cluster: UInt32) throws {
    let end = state.table.width.endMark
    state.changes.cuts[cluster] = end
    try stage(.entry(of: cluster, end))
    forgetDirectories()
  }

  /// Fills new clusters of a directory with zeroes.
  package func clear(_ runs: [ClusterRun]) throws {
    for run in runs {
      for cluster in run.first...run.last {
        let change = ClusterChange.zeroes(at: state.heap.offset(of: cluster), count: state.heap.clusterSize)
        state.changes.fresh.append(change)
        try stage(change)
      }
    }
    forgetEntries()
  }

  /// Takes note of clusters that a directory gets and that nothing leads to yet.
  package func noteFresh(_ runs: [ClusterRun]) {
    for run in runs { state.changes.freshClusters.formUnion(run.first...run.last) }
  }

  /// Writes contents to clusters, from byte `start` of the first one on, once the volume is marked.
  package func write(_ contents: any FileContents, into runs: [ClusterRun], from start: UInt64 = 0) throws {
    guard contents.byteCount > 0 else { return }
    try markInUse()
    state.changes.hasContents = true
    try ClusterWriter(to: volume, in: state.heap).write(contents, into: runs, from: start)
  }

  /// Changes a directory's bytes; they must lie in one cluster, or in the area of FAT's old root for cluster 0.
  package func stageDirectory(_ bytes: [UInt8], at offset: UInt64, cluster: UInt32) throws {
    let unit = UInt64(volume.unit)
    var done = 0
    while done < bytes.count {
      let place = offset + UInt64(done)
      let count = min(bytes.count - done, Int(unit - place % unit))
      let change = ClusterChange.bytes(Array(bytes[done..<(done + count)]), at: place)
      if state.changes.freshClusters.contains(cluster) {
        state.changes.fresh.append(change)
      } else {
        state.changes.switches.append(change)
      }
      try stage(change)
      forgetEntry(at: place)
      done += count
    }
  }

  /// Has the slot behind `slots`, where those are the last ones in use, say that nothing follows.
  package func markEnd(behind slots: Range<Int>, of index: Index) throws {
    guard slots.upperBound > index.map.end, slots.upperBound < index.map.isUsed.count else { return }
    let (offset, cluster) = index.place(of: slots.upperBound)
    let block = try MetadataBlock(of: volume, at: offset, count: 1)
    let end: UInt8 = 0
    guard block.bytes.littleEndian(at: 0, as: UInt8.self) != end else { return }
    try stageDirectory([end], at: offset, cluster: cluster)
  }
}
