package import Synchronization

/// Counters that workers bump and a reporter samples; nothing in the hot path calls back.
package final class Progress: Sendable {
  /// Bytes of the target written, zeroed, kept, discarded, and read back so far.
  package let written = Atomic<UInt64>(0)
  package let zeroed = Atomic<UInt64>(0)
  package let kept = Atomic<UInt64>(0)
  package let discarded = Atomic<UInt64>(0)
  package let verified = Atomic<UInt64>(0)

  package init() {}

  /// Bytes of the target that the copy is done with.
  package var copied: UInt64 {
    written.load(ordering: .relaxed) + zeroed.load(ordering: .relaxed) + kept.load(ordering: .relaxed)
      + discarded.load(ordering: .relaxed)
  }

  /// Adds what one step did to the counter that it belongs to.
  func add(_ length: UInt64, _ action: Action) {
    switch action {
    case .write: written.wrappingAdd(length, ordering: .relaxed)
    case .zero: zeroed.wrappingAdd(length, ordering: .relaxed)
    case .keep: kept.wrappingAdd(length, ordering: .relaxed)
    case .discard: discarded.wrappingAdd(length, ordering: .relaxed)
    }
  }
}
