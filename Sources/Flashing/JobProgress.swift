import BlockIO
import Codecs
package import Flow
import Synchronization
import Threads

/// How far a job is, to be sampled from any thread.
package final class JobProgress: Sendable {
  /// What a job does at the moment.
  package enum Phase: Int, Sendable, CaseIterable {
    case preparing, unpacking, writing, flushing, verifying, patching, finishing, done

    /// The phase as progress lines name it.
    package var name: String {
      switch self {
      case .preparing: "preparing"
      case .unpacking: "unpacking"
      case .writing: "writing"
      case .flushing: "flushing"
      case .verifying: "verifying"
      case .patching: "patching"
      case .finishing: "finishing"
      case .done: "done"
      }
    }
  }

  package let counters = Progress()
  /// The counters of unpacking, for a source that has to be unpacked first.
  package let unpacking = Progress()
  private let phaseNumber = Atomic<Int>(0)
  private let totalBytes = Atomic<UInt64>(0)

  /// The progress of parts that are done side by side, of which this is the sum.
  private let parts = Monitor<[JobProgress]>([])

  /// The compressed input, whose consumption tells how far a stream of unknown length is.
  private let input = Monitor<(consumed: ByteCounter, size: UInt64)?>(nil)

  package init() {}

  /// Watches how much of a compressed file has been read.
  func watch(_ file: InputFile) {
    guard let size = file.storedSize, size > 0, file.codec != nil else { return }
    input.update { $0 = (file.consumed, size) }
  }

  /// Compressed bytes read and there to read, where the image is a compressed file of known size.
  package var compressed: (consumed: UInt64, size: UInt64)? {
    input.update { $0.map { ($0.consumed.value, $0.size) } }
  }

  package var phase: Phase { Phase(rawValue: phaseNumber.load(ordering: .acquiring)) ?? .done }
  /// Bytes that the present phase has to do; 0 if that is not known.
  ///
  /// Where a compressed file does not tell, it is
  /// reckoned from how much of the file has been read.
  package var total: UInt64 {
    let known = totalBytes.load(ordering: .relaxed)
    guard known == 0, let compressed, compressed.consumed > compressed.size / 100 else { return known }
    return UInt64(Double(done) * Double(compressed.size) / Double(compressed.consumed))
  }
  /// Bytes of the present phase that are done.
  package var done: UInt64 {
    switch phase {
    case .verifying: everyCounters.reduce(0) { $0 + $1.verified.load(ordering: .relaxed) }
    case .unpacking: unpacking.copied
    case .preparing: 0
    default: copied
    }
  }

  /// Bytes of the target that copying is done with.
  var copied: UInt64 { everyCounters.reduce(0) { $0 + $1.copied } }

  /// The counters of this job and of its parts.
  private var everyCounters: [Progress] { [counters] + parts.update { $0.map(\.counters) } }

  /// Adds a part, whose counters count here too and whose phases are its own.
  func addPart() -> JobProgress {
    let part = JobProgress()
    parts.update { $0.append(part) }
    return part
  }

  func enter(_ phase: Phase, total: UInt64) {
    totalBytes.store(total, ordering: .relaxed)
    phaseNumber.store(phase.rawValue, ordering: .releasing)
  }
}

extension JobProgress {
  /// Bytes written and zeroed so far.
  package var counts: (written: UInt64, zeroed: UInt64) {
    let all = everyCounters
    return (
      all.reduce(0) { $0 + $1.written.load(ordering: .relaxed) },
      all.reduce(0) { $0 + $1.zeroed.load(ordering: .relaxed) }
    )
  }
}
