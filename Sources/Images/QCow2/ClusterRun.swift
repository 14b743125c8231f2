/// A contiguous range of the disk of which one layer says one thing.
struct ClusterRun {
  /// What a layer says of a range.
  enum Kind: UInt8 {
    /// Nothing: the layer below answers.
    case unallocated
    case zero
    case data
    case compressed
  }

  /// Why the map is asked, which decides what may be joined to one run.
  enum Purpose {
    /// For the map of a disk: compressed clusters are data, wherever they are.
    case map
    /// For reading: data must be contiguous in the file; a compressed cluster is alone.
    case read
    /// For statistics: each kind by itself, wherever it is.
    case statistics
  }

  var kind: Kind
  /// First byte, from the start of the disk.
  var offset: UInt64
  /// Length in bytes, never 0.
  var length: UInt64
  /// Where the first byte is in the file that holds it, or where a compressed cluster's stored bytes start.
  var host: UInt64 = 0
  /// Compressed: how many bytes may belong to the cluster.
  var storedCount = 0

  /// The byte after the last one.
  var end: UInt64 { offset + length }

  /// Whether `next`, which starts where this run ends, may be joined to it.
  @inline(__always)
  func continues(with next: ClusterRun, for purpose: Purpose) -> Bool {
    switch purpose {
    case .map:
      switch (kind, next.kind) {
      case (.data, .compressed), (.compressed, .data): true
      default: kind == next.kind
      }
    case .read: kind == next.kind && kind != .compressed && (kind != .data || host + length == next.host)
    case .statistics: kind == next.kind
    }
  }
}
