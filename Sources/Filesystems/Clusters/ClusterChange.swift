/// A change of a FAT or exFAT volume's metadata, small enough to be told apart from others in the same sector.
package enum ClusterChange {
  /// Bytes that lie in one sector, or in clusters that nothing leads to yet.
  case bytes([UInt8], at: UInt64)
  /// Zeroes in a cluster that nothing leads to yet, as a new directory starts.
  case zeroes(at: UInt64, count: UInt64)
  /// Clusters that become used, each leading to the one behind it; the last one's entry becomes `end`.
  case chain(ClusterRun, end: UInt32)
  /// Clusters that become used without entries in the table (exFAT's NoFatChain).
  case piece(ClusterRun)
  /// A used cluster's entry.
  case entry(of: UInt32, UInt32)
  /// Clusters that become free.
  case free(ClusterRun)
}

/// Clusters that lie one behind the other.
package struct ClusterRun: Hashable, Sendable {
  package let first: UInt32
  /// 1 and more.
  package let count: UInt32

  package init(first: UInt32, count: UInt32) {
    self.first = first
    self.count = count
  }

  package var last: UInt32 { first + (count - 1) }
}

extension [ClusterRun] {
  /// Clusters of all runs.
  package var clusterCount: UInt64 { reduce(0) { $0 + UInt64($1.count) } }

  /// Adds a run; one that goes on where the last one ends becomes one with it.
  package mutating func add(_ run: ClusterRun) {
    if let last, last.first + last.count == run.first {
      self[count - 1] = ClusterRun(first: last.first, count: last.count + run.count)
    } else {
      append(run)
    }
  }
}
