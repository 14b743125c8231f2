import Threads

/// The damage met while an image was read past it, for any number of threads.
package final class DamageLog: Sendable {
  /// One damaged range.
  package struct Damage: Sendable, Hashable {
    /// What is wrong, as a clause.
    package let cause: String
    /// Where in the image, in bytes.
    package let image: Range<UInt64>
    /// Where in the partition, in bytes; nil for a header, a bitmap or what follows the end.
    package let target: Range<UInt64>?
  }

  private struct State {
    var ranges: [Damage] = []
    var omitted: UInt64 = 0
    var targetBytes: UInt64 = 0
  }

  private let state = Monitor(State())
  /// How many ranges are kept; later ones are only counted.
  package let limit: Int

  package init(limit: Int = 10_000) { self.limit = limit }

  /// Adds a range, joined to the one added before it where the two touch in image and target alike.
  package func add(_ cause: String, image: Range<UInt64>, target: Range<UInt64>?) {
    state.update { state in
      state.targetBytes += UInt64(target?.count ?? 0)
      if let last = state.ranges.last, last.cause == cause, last.image.upperBound == image.lowerBound,
        let before = last.target, let target, before.upperBound == target.lowerBound
      {
        state.ranges[state.ranges.count - 1] = Damage(
          cause: cause, image: last.image.lowerBound..<image.upperBound, target: before.lowerBound..<target.upperBound)
      } else if state.ranges.count < limit {
        state.ranges.append(Damage(cause: cause, image: image, target: target))
      } else {
        state.omitted += 1
      }
    }
  }

  /// What was found so far, in the order of its finding.
  package var ranges: [Damage] { state.update { $0.ranges } }
  /// How many ranges were found beyond those kept.
  package var omitted: UInt64 { state.update { $0.omitted } }
  /// How many bytes of the partition are damaged.
  package var targetBytes: UInt64 { state.update { $0.targetBytes } }
  /// Whether nothing was found.
  package var isEmpty: Bool { state.update { $0.ranges.isEmpty } }
}
