import Bytes
import Filesystems

extension WritableFATVolume {
  /// The most bytes of a file.
  private static let maximumByteCount = UInt64(UInt32.max)

  func replaceContents(of file: FileID, with contents: any FileContents) throws {
    var entry = try regularEntry(of: file)
    let name = entry.printable
    guard contents.byteCount <= Self.maximumByteCount else { throw FileError(.fileTooLarge, name) }
    let runs = try makeChain(of: reader.heap.clusters(for: contents.byteCount), for: name)
    try write(contents, into: runs)
    let old = entry.firstCluster
    entry.firstCluster = runs.first?.first ?? 0
    entry.byteCount = UInt32(contents.byteCount)
    try store(entry, of: file, isModified: true)
    try release(from: old)
    state.cutFiles.remove(file)
  }

  func append(_ contents: any FileContents, to file: FileID) throws {
    var entry = try regularEntry(of: file)
    let name = entry.printable
    let size = UInt64(entry.byteCount)
    guard let sum = size.adding(contents.byteCount), sum <= Self.maximumByteCount else {
      throw FileError(.fileTooLarge, name)
    }
    guard contents.byteCount > 0 else { return }
    guard size > 0, !state.cutFiles.contains(file) else {
      return try replaceContents(
        of: file, with: JoinedContents(try reader.contents(of: file), upTo: size, contents))
    }
    let old = try runs(from: entry.firstCluster, index: (size - 1) / reader.heap.clusterSize)
    guard let last = old.first, old.clusterCount == 1 else {
      throw reader.heap.damaged("the chain of \(name) is not as long as its \(size) bytes need; run fsck.fat first")
    }
    let more = reader.heap.clusters(for: sum) - reader.heap.clusters(for: size)
    let runs = try makeChain(of: more, for: name)
    let isInside = size % reader.heap.clusterSize != 0
    try write(contents, into: (isInside ? old : []) + runs, from: size % reader.heap.clusterSize)
    if let first = runs.first { try link(last.last, to: first.first) }
    entry.byteCount = UInt32(sum)
    try store(entry, of: file, isModified: true)
  }

  func truncate(_ file: FileID, to byteCount: UInt64) throws {
    var entry = try regularEntry(of: file)
    let size = UInt64(entry.byteCount)
    guard byteCount < size else {
      if byteCount > size { try append(ZeroContents(byteCount: byteCount - size), to: file) }
      return
    }
    let kept = reader.heap.clusters(for: byteCount)
    let first = entry.firstCluster
    entry.byteCount = UInt32(byteCount)
    if kept == 0 {
      entry.firstCluster = 0
      try store(entry, of: file, isModified: true)
      try release(from: first)
    } else {
      let tail = try runs(from: first, index: kept)
      let last = try runs(from: first, index: kept - 1)
      try store(entry, of: file, isModified: true)
      if let last = last.first, !tail.isEmpty {
        try cut(after: last.first)
        state.changes.releases += tail
      }
    }
    state.cutFiles.insert(file)
  }

  private func regularEntry(of file: FileID) throws -> ShortEntry {
    guard file != root else { throw FileError(.isADirectory, "/") }
    let entry = try reader.entry(of: file)
    guard entry.attributes.kind == .regular else { throw FileError(.isADirectory, entry.printable) }
    return entry
  }

  /// Stores a file's entry where it is.
  func store(_ entry: ShortEntry, of file: FileID, isModified: Bool) throws {
    var entry = entry
    if isModified {
      let now = DOSTime(.now)
      entry.modified = DOSTime(date: now.date, time: now.time)
      entry.accessed = DOSTime(date: now.date)
      entry.attributes.insert(.archive)
    }
    let offset = file.number * UInt64(ShortEntry.size)
    let heap = reader.heap
    let cluster = offset < heap.start ? 0 : UInt32((offset - heap.start) / heap.clusterSize + 2)
    try putDots(entry, at: offset, cluster: cluster)
  }
}
