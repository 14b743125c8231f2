import BlockIO
import Bytes
import Filesystems

/// Whether a volume is sound enough to be written: its copies agree, and no two chains run into each other.
///
/// A volume that was not unmounted is taken if it is, for most memory sticks are such; the mark stays.
struct FitnessCheck {
  private let volume: FATVolume
  private let copies: TableCopies

  init(_ volume: FATVolume, _ copies: TableCopies) {
    self.volume = volume
    self.copies = copies
  }

  /// Throws `ImageError` where the volume is not to be written; else the clusters that are free.
  func run() throws -> FreeClusters {
    try checkBoot()
    let report = try volume.quickCheck()
    if let finding = report.findings.first(where: { $0.severity == .damage }) {
      throw refusal("\(finding.sentence.prefix(1).lowercased() + finding.sentence.dropFirst()) Run fsck.fat first.")
    }
    return try checkTables()
  }

  private func refusal(_ detail: String, at offset: UInt64? = nil) -> ImageError {
    ImageError(.unsupported, format: FATVolume.format, offset: offset, "the volume is not to be changed: " + detail)
  }

  private func checkBoot() throws {
    let boot = volume.boot
    if let version = boot.wide?.version, version != 0 {
      throw refusal("it is of FAT32's version \(version >> 8).\(version & 0xff), which nothing is known of")
    }
    if let active = boot.wide?.onlyActiveTable, active >= boot.tableCount {
      throw refusal("table \(active) is said to be the active one, but there is none; run fsck.fat first")
    }
    let sound: UInt32 =
      switch volume.table.width {
      case .bits16: 1 << 14
      case .bits28: 1 << 26
      default: 0
      }
    let mark = try volume.table.value(of: 1)
    if (boot.state ?? 0) & 2 != 0 || mark & sound != sound {
      throw refusal("errors were met when it was last read or written; test its medium, and run fsck.fat first")
    }
    guard boot.byteCount <= volume.volume.byteCount else {
      throw refusal(
        "it has \(describeSize(boot.byteCount)), but ends after \(describeSize(volume.volume.byteCount))")
    }
  }

  /// Reads all tables once: compares them, and looks for two entries that lead to one cluster, and for ones that lead to
  /// a free one or to none.
  private func checkTables() throws -> FreeClusters {
    let (heap, table) = (volume.heap, volume.table)
    var isReached = ClusterSet(below: heap.endCluster)
    var free: UInt64 = 0
    var firstFree: UInt32?
    // Pieces of the table to which something behind them leads.
    var again: Set<UInt64> = []
    try table.forEachPiece(in: 0..<table.pieceCount) { piece in
      try compareCopies(of: piece)
      try piece.forEach { cluster, count, value in
        if value == 0 {
          free += UInt64(count)
          if firstFree == nil { firstFree = cluster }
        }
        guard heap.contains(value) else { return try checkEnd(cluster, count, value, isReached) }
        if let met = isReached.insert(UInt64(value)..<UInt64(value) + UInt64(count)) {
          throw chainRefusal(cluster + (UInt32(met) - value), "leads to \(met), as another one does")
        }
        if value <= cluster { again.formUnion(table.piece(of: value)...table.piece(of: value + (count - 1))) }
      }
    }
    try table.forEachPiece(in: again.sorted()) { piece in
      try piece.forEach { cluster, count, value in
        if !heap.contains(value) { try checkEnd(cluster, count, value, isReached) }
      }
    }
    return FreeClusters(in: heap, count: free, next: try nextFree(firstFree))
  }

  private func compareCopies(of piece: borrowing FileAllocationTable.Piece) throws {
    for other in copies.starts.dropFirst() {
      let copy = try MetadataBlock(of: volume.volume, at: other + piece.position, count: piece.bytes.byteCount)
      if let place = volume.firstDifference(piece.bytes, copy.bytes, at: piece.position) {
        throw refusal("its tables differ; run fsck.fat first", at: other + place)
      }
    }
  }

  /// Throws where entries of `value`, which lead to no cluster, are not such as may end a chain, although they do.
  private func checkEnd(_ cluster: UInt32, _ count: UInt32, _ value: UInt32, _ isReached: ClusterSet) throws {
    let bad = copies.width.badMark
    guard value == 0 || value >= bad else {
      throw chainRefusal(cluster, "leads to \(value), which no cluster has as its number")
    }
    guard value <= bad, let met = isReached.first(in: UInt64(cluster)..<UInt64(cluster) + UInt64(count)) else { return }
    throw chainRefusal(UInt32(met), "is \(value == 0 ? "free" : "bad"), but another one leads to it")
  }

  /// Where to look for free clusters: where FAT32 says, but not before the first.
  private func nextFree(_ first: UInt32?) throws -> UInt32? {
    guard let place = volume.infoSectorPlace else { return first }
    let block = try MetadataBlock(of: volume.volume, at: place, count: InfoSector.size)
    guard let said = (try? InfoSector(parsing: block.bytes))?.nextFree, volume.heap.contains(said) else { return first }
    return max(said, first ?? 2)
  }

  private func chainRefusal(_ cluster: UInt32, _ what: String) -> ImageError {
    refusal(
      "the table's entry of cluster \(cluster) \(what); run fsck.fat first",
      at: volume.table.start + copies.width.offset(of: cluster))
  }
}
