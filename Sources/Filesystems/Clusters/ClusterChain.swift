package import BlockIO

/// The clusters of one file or directory in their order, found through the allocation table or lying in one piece.
///
/// Remembers where it last was and at most `maximumMarkCount` places on the way, so that reading on costs nothing and
/// seeking little. A chain that runs in a circle is found by Brent's method after a few rounds.
package final class ClusterChain {
  /// A cluster and its position in the chain, counted from 0.
  private struct Place {
    var index: UInt64
    var cluster: UInt32
  }

  package let heap: ClusterHeap
  private let table: FileAllocationTable
  /// The first cluster.
  package let first: UInt32
  /// Clusters of a chain that lies in one piece, outside the table (exFAT's NoFatChain).
  private let pieceCount: UInt64?

  private var recent: Place
  private var ahead: Place?
  private var knownCount: UInt64?
  private var marks: [Place] = []
  private var markDistance: UInt64 = 256
  private static let maximumMarkCount = 512

  private var frontier: UInt64 = 0
  private var remembered: UInt32
  private var (jumpCount, jumpLimit): (UInt64, UInt64) = (0, 1)

  /// The chain that starts at `first`, or the `pieceCount` clusters from there; throws where that is not inside `heap`.
  package init(
    from first: UInt32, in heap: ClusterHeap, table: FileAllocationTable, pieceCount: UInt64? = nil
  ) throws(ImageError) {
    guard heap.contains(first) else {
      throw heap.damaged("something is said to start at cluster \(first), but clusters are 2 to \(heap.endCluster - 1)")
    }
    if let pieceCount, pieceCount > heap.endCluster - UInt64(first) {
      throw heap.damaged(
        "\(pieceCount) clusters from cluster \(first) do not fit into the volume's \(heap.clusterCount)")
    }
    self.heap = heap
    self.table = table
    self.first = first
    self.pieceCount = pieceCount
    recent = Place(index: 0, cluster: first)
    remembered = first
  }

  /// A run of clusters that lie one behind the other.
  package struct Run: Hashable, Sendable {
    package let cluster: UInt32
    /// 1 and more.
    package let count: UInt64
  }

  /// The clusters from position `index` as far as they lie in one piece, at most `limit` (1 and more); nil behind the end.
  package func run(at index: UInt64, limit: UInt64) throws -> Run? {
    if let pieceCount {
      guard index < pieceCount else { return nil }
      return Run(cluster: first + UInt32(index), count: min(limit, pieceCount - index))
    }
    guard let place = try find(index) else { return nil }
    recent = place
    let found = try table.run(from: place.cluster, limit: UInt32(clamping: limit))
    try goOn(from: place, over: found)
    return Run(cluster: place.cluster, count: UInt64(found.count))
  }

  /// Clusters in all.
  package func count() throws -> UInt64 {
    if let pieceCount { return pieceCount }
    var index = frontier
    while knownCount == nil {
      guard let run = try run(at: index, limit: UInt64(UInt32.max)) else { break }
      index += run.count
    }
    return knownCount ?? index
  }

  /// The place of `index`; nil behind the chain's end.
  private func find(_ index: UInt64) throws -> Place? {
    if let knownCount, index >= knownCount { return nil }
    var place = nearest(index)
    while place.index < index {
      let limit = min(index - place.index, markDistance)
      let found = try table.run(from: place.cluster, limit: UInt32(clamping: limit))
      guard let next = try goOn(from: place, over: found) else { return nil }
      place = next
    }
    return place
  }

  /// The place at or before `index` that is nearest to it among those remembered.
  private func nearest(_ index: UInt64) -> Place {
    var best = Place(index: 0, cluster: first)
    var (low, high) = (0, marks.count)
    while low < high {
      let middle = (low + high) / 2
      if marks[middle].index <= index { low = middle + 1 } else { high = middle }
    }
    if low > 0 { best = marks[low - 1] }
    for place in [recent, ahead].compactMap({ $0 }) where place.index <= index && place.index > best.index {
      best = place
    }
    return best
  }

  /// Takes note of a run that starts at `place`; the place behind it, or nil where the chain ends there.
  @discardableResult
  private func goOn(from place: Place, over run: (count: UInt32, next: UInt32?)) throws -> Place? {
    let index = place.index + UInt64(run.count)
    guard let next = run.next else {
      knownCount = index
      ahead = nil
      return nil
    }
    let following = Place(index: index, cluster: next)
    if index > frontier {
      frontier = index
      if UInt64(next) != UInt64(place.cluster) + UInt64(run.count) { try checkJump(to: next) }
      guard index < UInt64(heap.clusterCount) else { throw circle() }
      mark(following)
    }
    ahead = following
    return following
  }

  /// Compares a jump's goal with one of those before; in a circle they meet.
  private func checkJump(to cluster: UInt32) throws {
    guard cluster != remembered else { throw circle() }
    jumpCount += 1
    guard jumpCount == jumpLimit else { return }
    remembered = cluster
    jumpLimit *= 2
    jumpCount = 0
  }

  private func circle() -> ImageError {
    heap.damaged("the chain of clusters that starts at cluster \(first) runs in a circle")
  }

  private func mark(_ place: Place) {
    guard place.index >= (marks.last?.index ?? 0) + markDistance else { return }
    if marks.count == Self.maximumMarkCount {
      marks = marks.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
      markDistance *= 2
    }
    marks.append(place)
  }
}

extension ClusterChain {
  /// Fills `buffer` with the chain's bytes at `offset`; throws where the chain is shorter.
  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    var done = 0
    while done < buffer.byteCount {
      let place = offset + UInt64(done)
      let inCluster = place % heap.clusterSize
      let left = UInt64(buffer.byteCount - done)
      let limit = heap.clusters(for: inCluster + left)
      guard let run = try run(at: place / heap.clusterSize, limit: limit) else {
        throw heap.damaged("the chain of clusters that starts at cluster \(first) ends before its file does")
      }
      let count = Int(min(left, run.count * heap.clusterSize - inCluster))
      var piece = buffer._mutatingExtracting(done..<(done + count))
      try heap.read(at: heap.offset(of: run.cluster) + inCluster, into: &piece)
      done += count
    }
  }
}
