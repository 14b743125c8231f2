import Bytes
import Filesystems

extension WritableExFATVolume {
  func replaceContents(of file: FileID, with contents: any FileContents) throws {
    let file = state.current(file)
    var set = try regularSet(of: file)
    let old = set.stream
    set.stream = EntrySet.Stream(isOnePiece: false, firstCluster: 0, byteCount: 0, validByteCount: 0)
    let runs = try extend(&set.stream, by: try clusterCount(contents.byteCount, set), for: set.printable)
    try write(contents, into: runs)
    set.stream.byteCount = contents.byteCount
    set.stream.validByteCount = contents.byteCount
    set.touch()
    try store(set, of: file)
    try release(old)
    state.cutFiles.remove(file)
  }

  /// Clusters for so many bytes; throws where the volume does not have as many.
  private func clusterCount(_ byteCount: UInt64, _ set: EntrySet) throws -> UInt64 {
    let count = reader.heap.clusters(for: byteCount)
    guard count <= UInt64(reader.heap.clusterCount) else { throw FileError(.noSpace, set.printable) }
    return count
  }

  func append(_ contents: any FileContents, to file: FileID) throws {
    let file = state.current(file)
    var set = try regularSet(of: file)
    let stream = set.stream
    guard let sum = stream.byteCount.adding(contents.byteCount) else {
      throw FileError(.fileTooLarge, set.printable)
    }
    guard contents.byteCount > 0 else { return }
    guard stream.byteCount > 0, !state.cutFiles.contains(file), try stream.isOnePiece || !canCopy(sum) else {
      return try replaceContents(
        of: file, with: JoinedContents(try reader.contents(of: file), upTo: stream.byteCount, contents))
    }
    let more = try clusterCount(sum, set) - reader.heap.clusters(for: stream.byteCount)
    let old = try runs(of: stream)
    let runs = try extend(&set.stream, by: more, for: set.printable)
    // What was never written becomes zeroes now.
    let gap = ZeroContents(byteCount: stream.byteCount - stream.validByteCount)
    let all = JoinedContents(gap, upTo: gap.byteCount, contents)
    try write(all, into: old + runs, from: stream.validByteCount)
    set.stream.byteCount = sum
    set.stream.validByteCount = sum
    set.touch()
    try store(set, of: file)
  }

  /// The largest file in bytes that is written anew where changing its chain would take more than one write.
  private static let maximumCopiedByteCount: UInt64 = 256 << 20

  /// Whether so many bytes can be written anew: fsck.exfat makes a file whose chain is longer than its size as long as the
  /// chain, so that a cut while a chain becomes longer or shorter would leave bytes too many.
  private func canCopy(_ byteCount: UInt64) throws -> Bool {
    try byteCount <= Self.maximumCopiedByteCount && reader.heap.clusters(for: byteCount) <= freeClusterCount()
  }

  func truncate(_ file: FileID, to byteCount: UInt64) throws {
    let file = state.current(file)
    var set = try regularSet(of: file)
    let stream = set.stream
    guard byteCount != stream.byteCount else { return }
    guard byteCount < stream.byteCount else {
      // Zeroes are written, since not all readers heed how many bytes are valid.
      return try append(ZeroContents(byteCount: byteCount - stream.byteCount), to: file)
    }
    let kept = try clusterCount(byteCount, set)
    set.touch()
    set.stream.byteCount = byteCount
    set.stream.validByteCount = min(stream.validByteCount, byteCount)
    if kept == 0 { (set.stream.firstCluster, set.stream.isOnePiece) = (0, false) }
    let tail = try runs(of: stream, index: kept)
    let last = kept > 0 ? try runs(of: stream, index: kept - 1).first : nil
    let isSplit = try kept > 0 && !stream.isOnePiece && !isOnePiece(stream, count: kept)
    if isSplit, !tail.isEmpty, try canCopy(byteCount) {
      let contents = try reader.contents(of: file)
      return try replaceContents(
        of: file, with: JoinedContents(contents, upTo: byteCount, ZeroContents(byteCount: 0)))
    }
    // What lies in one piece needs no chain, however long that is.
    if kept > 0, !isSplit { set.stream.isOnePiece = true }
    try store(set, of: file)
    if isSplit, let last, !tail.isEmpty { try cut(after: last.first) }
    state.changes.releases += tail
    state.cutFiles.insert(state.current(file))
  }

  /// Whether the first `count` clusters of a chain lie one behind the other.
  private func isOnePiece(_ stream: EntrySet.Stream, count: UInt64) throws -> Bool {
    let chain = try ClusterChain(from: stream.firstCluster, in: reader.heap, table: reader.table)
    return try chain.run(at: 0, limit: count)?.count == count
  }

  private func regularSet(of file: FileID) throws -> EntrySet {
    guard file != root else { throw FileError(.isADirectory, "/") }
    let set = try reader.entrySet(of: file)
    guard set.attributes.kind == .regular else { throw FileError(.isADirectory, set.printable) }
    return set
  }

  func setAttributes(_ attributes: FileAttributes, of file: FileID) throws {
    let file = state.current(file)
    guard file != root else { return try requireUnchangedRoot(attributes) }
    let old = try reader.attributes(of: file)
    var set = try reader.entrySet(of: file)
    set.attributes = try bits(set.attributes, of: set.printable, changedTo: attributes, from: old)
    if attributes.modified != old.modified { set.modified = EntrySet.Time(attributes.modified) }
    if let created = attributes.created, created != old.created { set.created = EntrySet.Time(created) }
    if let accessed = attributes.accessed, accessed != old.accessed {
      set.accessed = EntrySet.Time(accessed)
      set.accessed.local.hundredths = 0
    }
    try store(set, of: file)
  }
}
