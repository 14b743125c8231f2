/// Consecutive blocks of a file, and where they lie.
struct BlockRun: Hashable, Sendable {
  /// What a run of blocks holds.
  enum Contents: Hashable, Sendable {
    /// Bytes, in as many consecutive blocks of the volume from this one on.
    case data(UInt64)
    /// Zeroes; the volume's blocks are taken but were never written.
    case unwritten
    /// Zeroes; nothing is taken.
    case hole
  }

  /// First block of the file.
  var first: UInt64
  /// How many, never 0.
  var count: UInt64
  var contents: Contents

  /// The block of the file behind the last one.
  var end: UInt64 { first + count }

  /// The run without its blocks before `block`, which lies in it.
  func from(_ block: UInt64) -> BlockRun {
    var rest = self
    rest.first = block
    rest.count = end - block
    if case .data(let start) = contents { rest.contents = .data(start + (block - first)) }
    return rest
  }
}
