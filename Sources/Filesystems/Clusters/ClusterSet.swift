/// A set of clusters that takes a bit for each, and nearly nothing for long stretches that are in it whole or not at all.
package struct ClusterSet {
  /// The words of each page; none for a page of which nothing is in the set.
  private var pages: [[UInt64]]
  /// How many clusters of each page are in the set.
  private var counts: [UInt32]
  /// Clusters of a page.
  private static let pageSize: UInt64 = 1 << 16
  private static let full = [UInt64](repeating: .max, count: Int(pageSize / 64))

  /// The empty set of clusters below `endCluster`.
  package init(below endCluster: UInt64) {
    let count = Int(endCluster / Self.pageSize + 1)
    pages = [[UInt64]](repeating: [], count: count)
    counts = [UInt32](repeating: 0, count: count)
  }

  /// The first of `clusters`, which must be below the set's end, that is in the set; nil for none.
  package func first(in clusters: Range<UInt64>) -> UInt64? {
    var cluster = clusters.lowerBound
    while cluster < clusters.upperBound {
      let page = Int(cluster / Self.pageSize)
      guard counts[page] > 0 else {
        cluster = (UInt64(page) + 1) * Self.pageSize
        continue
      }
      let word = pages[page][Int(cluster % Self.pageSize / 64)] >> (cluster % 64)
      if word != 0 {
        let found = cluster + UInt64(word.trailingZeroBitCount)
        return found < clusters.upperBound ? found : nil
      }
      cluster = (cluster / 64 + 1) * 64
    }
    return nil
  }

  /// Adds clusters, which must be below the set's end; returns the first that was in the set before.
  package mutating func insert(_ clusters: Range<UInt64>) -> UInt64? {
    var met: UInt64?
    var start = clusters.lowerBound
    while start < clusters.upperBound {
      let page = start / Self.pageSize
      let end = min(clusters.upperBound, (page + 1) * Self.pageSize)
      if let found = insert(start % Self.pageSize..<(end - 1) % Self.pageSize + 1, into: Int(page)), met == nil {
        met = page * Self.pageSize + found
      }
      start = end
    }
    return met
  }

  private mutating func insert(_ places: Range<UInt64>, into page: Int) -> UInt64? {
    if counts[page] == 0 {
      if UInt64(places.count) == Self.pageSize {
        pages[page] = Self.full
        counts[page] = UInt32(Self.pageSize)
        return nil
      }
      pages[page] = [UInt64](repeating: 0, count: Int(Self.pageSize / 64))
    } else if counts[page] == UInt32(Self.pageSize) {
      return places.lowerBound
    }
    var met: UInt64?
    var start = places.lowerBound
    while start < places.upperBound {
      let word = start / 64
      let end = min(places.upperBound, (word + 1) * 64)
      let mask = (UInt64.max >> (64 - (end - start))) << (start % 64)
      let old = pages[page][Int(word)]
      if met == nil, old & mask != 0 { met = word * 64 + UInt64((old & mask).trailingZeroBitCount) }
      counts[page] += UInt32((mask & ~old).nonzeroBitCount)
      pages[page][Int(word)] = old | mask
      start = end
    }
    // One array for all pages that are whole.
    if counts[page] == UInt32(Self.pageSize) { pages[page] = Self.full }
    return met
  }
}
