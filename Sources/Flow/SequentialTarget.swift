package import BlockIO

/// A target that takes its bytes in order, such as a pipe: a write waits for its turn.
package protocol SequentialTarget: BlockTarget {
  /// Wakes whoever waits; their writes fail.
  func cancel()
}
