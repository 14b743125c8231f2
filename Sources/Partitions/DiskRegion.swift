/// What one range of a disk is for, according to its partition table.
package struct DiskRegion: Hashable, Sendable {
  /// The uses of a range.
  package enum Kind: Hashable, Sendable {
    /// The first sector: boot code and four partitions.
    case masterBootRecord
    /// The first sector where it protects a GPT.
    case protectiveRecord
    case primaryHeader
    case primaryEntries
    case backupEntries
    case backupHeader
    /// A sector that chains logical partitions.
    case link
    /// Between the table and the first partition, where boot loaders live.
    case bootArea
    case partition(Int)
    /// No partition's.
    case gap
  }

  package let kind: Kind
  /// First byte on the disk.
  package let start: UInt64
  /// Length in bytes, never 0.
  package let byteCount: UInt64

  /// The byte after the last one.
  package var end: UInt64 { start + byteCount }

  /// The use in words, such as `partition 2`.
  package var name: String {
    switch kind {
    case .masterBootRecord: "master boot record"
    case .protectiveRecord: "protective MBR"
    case .primaryHeader: "GPT header"
    case .primaryEntries: "GPT entries"
    case .backupEntries: "backup GPT entries"
    case .backupHeader: "backup GPT header"
    case .link: "link of logical partitions"
    case .bootArea: "boot area"
    case .partition(let number): "partition \(number)"
    case .gap: "gap"
    }
  }
}

extension PartitionTable {
  /// The disk as a list of ranges without gaps or overlaps, in order, from its first byte to its last.
  ///
  /// Of what lies over each other, the table's own sectors count, then the partition that starts first. An extended
  /// partition is shown by what is inside it.
  package var regions: [DiskRegion] {
    let sectors = tableRegions
    let used = partitions.filter { !$0.type.isExtended }.sorted { ($0.start, $0.number) < ($1.start, $1.number) }
    let firstPartition = used.first?.start ?? 0
    var result: [DiskRegion] = []
    var cursor: UInt64 = 0
    func add(_ kind: DiskRegion.Kind, upTo end: UInt64) {
      let end = min(end, diskByteCount)
      guard end > cursor else { return }
      result.append(DiskRegion(kind: kind, start: cursor, byteCount: end - cursor))
      cursor = end
    }
    var next = 0
    /// Adds partitions and what lies between them up to `end`.
    func fill(upTo end: UInt64) {
      while cursor < end {
        while next < used.count, used[next].end <= cursor { next += 1 }
        guard next < used.count, used[next].start < end else { break }
        addFree(upTo: used[next].start)
        add(.partition(used[next].number), upTo: min(used[next].end, end))
      }
      addFree(upTo: end)
    }
    func addFree(upTo end: UInt64) {
      add(cursor < firstPartition && end <= firstPartition ? .bootArea : .gap, upTo: end)
    }
    for region in sectors {
      fill(upTo: min(region.start, diskByteCount))
      add(region.kind, upTo: region.end)
    }
    fill(upTo: diskByteCount)
    return result
  }

  /// The table's own sectors in ascending order of their starts.
  private var tableRegions: [DiskRegion] {
    let size = UInt64(sectorSize)
    var found: [DiskRegion] = []
    func add(_ kind: DiskRegion.Kind, _ start: UInt64, _ count: UInt64) {
      guard start < diskByteCount, count > 0 else { return }
      found.append(DiskRegion(kind: kind, start: start, byteCount: min(count, diskByteCount - start)))
    }
    add(gpt == nil ? .masterBootRecord : .protectiveRecord, 0, size)
    for link in links { add(.link, link, size) }
    if let primary = gpt?.primary?.header {
      add(.primaryHeader, size, size)
      add(.primaryEntries, primary.entriesSector * size, primary.arraySectors(sectorSize) * size)
    }
    if let backup = gpt?.backup?.header {
      add(.backupEntries, backup.entriesSector * size, backup.arraySectors(sectorSize) * size)
      add(.backupHeader, backup.sector * size, size)
    }
    return found.sorted { $0.start < $1.start }
  }
}
