/// Where free clusters are taken from: from the first one behind those taken last, and from the start behind the last.
package struct FreeClusters {
  private let heap: ClusterHeap
  /// Clusters that are free.
  package private(set) var count: UInt64
  /// Where to look first.
  package private(set) var next: UInt32

  /// `next` may be any number, since volumes may say anything.
  package init(in heap: ClusterHeap, count: UInt64, next: UInt32?) {
    self.heap = heap
    self.count = count
    self.next = next.flatMap { heap.contains($0) ? $0 : nil } ?? 2
  }

  /// Takes `wanted` clusters, from `near` on if that is given; nil where so many are not free.
  ///
  /// `find` gives the first cluster from a number up to a limit that is free or is not, or the limit.
  package mutating func take(
    _ wanted: UInt64, near: UInt32? = nil,
    find: (_ isFree: Bool, _ from: UInt64, _ limit: UInt64) throws -> UInt64
  ) throws -> [ClusterRun]? {
    guard wanted <= count else { return nil }
    var runs: [ClusterRun] = []
    var left = wanted
    let from = UInt64(near.flatMap { heap.contains($0) ? $0 : nil } ?? next)
    for (start, limit) in [(from, heap.endCluster), (2, from)] {
      var place = start
      while left > 0, place < limit {
        let first = try find(true, place, limit)
        guard first < limit else { break }
        let end = try find(false, first, min(limit, first + left))
        runs.add(ClusterRun(first: UInt32(first), count: UInt32(end - first)))
        left -= end - first
        place = end
      }
    }
    guard left == 0 else { return nil }
    count -= wanted
    if let last = runs.last { next = heap.contains(last.last + 1) ? last.last + 1 : 2 }
    return runs
  }

  /// Takes note of clusters that have become free.
  package mutating func add(_ released: UInt64) { count += released }
}
