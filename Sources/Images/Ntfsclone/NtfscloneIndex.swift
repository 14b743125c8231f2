import BlockIO
import Bytes

/// Where each stored cluster lies in an ntfsclone image.
///
/// An ordinary image has its clusters in order, one gap between runs: one bit per cluster, and counts of clusters and
/// runs before it, say where it is. Others, such as those with metadata only, need a table of their runs.
enum NtfscloneIndex: Sendable {
  /// Clusters in order; `first` is the offset in the image of the first record.
  case ordered(StoredBlocks, first: UInt64)
  /// Any order, given by runs sorted by their clusters, none of which meet.
  case table(StoredBlocks, [Run])

  /// Neighbouring clusters whose records follow each other, in 16 bytes.
  struct Run: Sendable {
    let cluster: UInt32
    let count: UInt32
    let offset: UInt64
  }

  /// The most runs that a table may have: 64 MiB.
  static let mostRuns = 1 << 22

  /// Which clusters are stored.
  var blocks: StoredBlocks {
    switch self {
    case .ordered(let blocks, _), .table(let blocks, _): blocks
    }
  }

  /// Whether clusters are stored in another order than the partition's.
  var isTable: Bool { if case .table = self { true } else { false } }

  /// Where the bytes of `cluster`, which is stored, start in the image, and how many clusters follow each other from
  /// there, at most `limit`.
  func place(of cluster: UInt64, limit: UInt64, clusterSize: UInt64) -> (offset: UInt64, count: UInt64) {
    switch self {
    case .ordered(let blocks, let first):
      let gaps = blocks.runs(upTo: cluster) - (blocks.isStored(0) ? 1 : 0)
      let offset = first + blocks.rank(cluster) * (clusterSize + 1) + gaps * UInt64(NtfscloneRecord.gapSize) + 1
      return (offset, blocks.next(false, from: cluster, below: cluster + limit) - cluster)
    case .table(_, let runs):
      var (low, high) = (0, runs.count)
      while high - low > 1 {
        let middle = (low + high) / 2
        if UInt64(runs[middle].cluster) <= cluster { low = middle } else { high = middle }
      }
      let inside = cluster - UInt64(runs[low].cluster)
      return (runs[low].offset + inside * (clusterSize + 1), min(limit, UInt64(runs[low].count) - inside))
    }
  }
}

extension NtfscloneOpening {
  /// Reads every record of `file` and makes the index; throws `ImageError` where the image is damaged.
  func index(_ file: any BlockSource) throws -> (NtfscloneIndex, dataEnd: UInt64) {
    var bits = try emptyBitmap()
    var walk = NtfscloneWalk(file, header: header, errors: errors, damage: damage)
    var isOrdered = true
    var end: UInt64 = 0
    try walk.forEachRun { run, isIrregular in
      isOrdered = isOrdered && !isIrregular && run.cluster >= end
      end = run.cluster + run.count
      bits.setBits(from: run.cluster, count: run.count)
    }
    guard isOrdered else { return (try table(file), .max) }
    if let dataEnd = walk.dataEnd, header.deviceSize > dataEnd, dataEnd % UInt64(header.clusterSize) > 0 {
      bits.setBits(from: dataEnd / UInt64(header.clusterSize), count: 1)
    }
    let blocks = StoredBlocks(
      bits, total: header.places, blockSize: UInt64(header.clusterSize), countsRuns: true)
    return (.ordered(blocks, first: header.firstRecord), walk.dataEnd ?? .max)
  }

  /// The index of an image whose clusters come in any order, some more than once: the last one counts.
  private func table(_ file: any BlockSource) throws -> NtfscloneIndex {
    var all: [NtfscloneIndex.Run] = []
    // What is damaged has been noted before.
    var walk = NtfscloneWalk(file, header: header, errors: errors, damage: damage.map { _ in DamageLog(limit: 1) })
    try walk.forEachRun { run, _ in
      guard all.count < NtfscloneIndex.mostRuns else {
        throw errors.unsupported(
          "the image has more than \(NtfscloneIndex.mostRuns) runs of clusters out of order", image: run.offset)
      }
      all.append(.init(cluster: UInt32(run.cluster), count: UInt32(run.count), offset: run.offset))
    }
    var bits = try emptyBitmap()
    var kept: [NtfscloneIndex.Run] = []
    let step = UInt64(header.clusterSize) + 1
    for run in all.reversed() {
      var cluster = UInt64(run.cluster)
      let end = cluster + UInt64(run.count)
      while cluster < end {
        let start = bits.next(false, from: cluster, below: end)
        let stop = bits.next(true, from: start, below: end)
        if stop > start {
          guard kept.count < NtfscloneIndex.mostRuns else {
            throw errors.unsupported("the image stores too many clusters more than once", image: run.offset)
          }
          kept.append(
            .init(
              cluster: UInt32(start), count: UInt32(stop - start),
              offset: run.offset + (start - UInt64(run.cluster)) * step))
        }
        cluster = stop
      }
      bits.setBits(from: UInt64(run.cluster), count: UInt64(run.count))
    }
    kept.sort { $0.cluster < $1.cluster }
    return .table(StoredBlocks(bits, total: header.places, blockSize: UInt64(header.clusterSize)), kept)
  }

  /// A bitmap of all clusters, none of them set, which takes memory only where bits are set.
  func emptyBitmap() throws(ImageError) -> Pages {
    let size = Int((header.places + 63) / 64 * 8)
    guard let bits = Pages(count: size) else {
      throw errors.unsupported("there is no memory for a bitmap of \(describeSize(UInt64(size)))", image: 30)
    }
    return bits
  }
}

extension Pages {
  /// Sets `count` bits from bit `start` on, lowest first; all must lie inside, and the size is whole words.
  mutating func setBits(from start: UInt64, count: UInt64) {
    var bit = Int(start)
    let end = bit + Int(count)
    var words = mutableSlice(0, self.count)
    while bit < end {
      let length = min(64 - bit % 64, end - bit)
      let mask: UInt64 = (length == 64 ? ~0 : ~(~0 << UInt64(length))) << UInt64(bit % 64)
      let offset = bit / 64 * 8
      words.store(littleEndian: words.bytes.littleEndian(at: offset, as: UInt64.self) | mask, at: offset)
      bit += length
    }
  }

  /// The first bit from `start` on, below `limit`, that equals `value`; `limit` if there is none.
  func next(_ value: Bool, from start: UInt64, below limit: UInt64) -> UInt64 {
    UInt64(Bitmap(bytes, count: Int(limit)).next(value, from: Int(start)))
  }
}
