import Synchronization

/// A word from one thread to others that their work is not wanted any more.
package final class StopFlag: Sendable {
  private let flag = Atomic(false)

  package init() {}

  /// Says so.
  package func raise() { flag.store(true, ordering: .releasing) }

  /// Whether somebody has said so.
  package var isRaised: Bool { flag.load(ordering: .acquiring) }
}

/// A count of bytes that one thread raises and others watch.
package final class ByteCounter: Sendable {
  private let bytes = Atomic<UInt64>(0)

  package init() {}

  /// Adds to the count.
  package func add(_ count: UInt64) { bytes.add(count, ordering: .relaxed) }

  /// The count so far.
  package var value: UInt64 { bytes.load(ordering: .relaxed) }
}
