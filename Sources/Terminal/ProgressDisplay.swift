package import Bytes
import CLinux
import Glibc
import Synchronization
import Threads

/// How progress is shown.
package enum ProgressStyle: String, Sendable, CaseIterable {
  case auto, bar, plain, json, none

  /// The style to use on this terminal: a bar where one can be drawn, else nothing.
  package var resolved: ProgressStyle {
    guard self == .auto else { return self }
    return isatty(STDERR_FILENO) != 0 ? .bar : .none
  }
}

/// How far a job is at one moment.
package struct ProgressSample: Sendable {
  /// What the job does, such as `writing`.
  package var phase: String
  /// Bytes done and to do in this phase; 0 to do if that is not known.
  package var done: UInt64
  package var total: UInt64
  /// More numbers for programs.
  package var details: Record

  package init(phase: String, done: UInt64, total: UInt64, details: Record = Record()) {
    self.phase = phase
    self.done = done
    self.total = total
    self.details = details
  }
}

/// Shows progress on standard error from a thread of its own until it is stopped.
package final class ProgressDisplay: Sendable {
  private let isStopped = Monitor(false)
  private let thread: Threads.Thread?

  /// Starts showing what `sample` says, every tenth of a second as a bar, else once a second.
  package init(_ style: ProgressStyle, sample: @escaping @Sendable () -> ProgressSample) {
    let style = style.resolved
    let isStopped = isStopped
    guard style != .none else {
      thread = nil
      return
    }
    thread = Threads.Thread(name: "progress") {
      var rate = Rate()
      while !isStopped.update({ $0 }) {
        let now = sample()
        rate.add(now)
        Self.show(now, rate, style)
        _ = isStopped.wait(style == .bar ? .milliseconds(100) : .seconds(1)) { $0 }
      }
      if style == .bar { Self.draw("\r\u{1b}[K") }
    }
  }

  /// Ends the display and clears its line.
  package func stop() {
    isStopped.update { $0 = true }
    thread?.join()
  }

  private static func show(_ sample: ProgressSample, _ rate: Rate, _ style: ProgressStyle) {
    switch style {
    case .json: printError(json(sample, rate))
    case .plain: printError(line(sample, rate))
    default:
      let columns = Int(clinux_terminal_columns(STDERR_FILENO))
      draw("\r" + bar(sample, rate, columns: columns > 20 ? columns : 80) + "\u{1b}[K")
    }
  }

  private static func json(_ sample: ProgressSample, _ rate: Rate) -> String {
    var record: Record = [
      "phase": .text(sample.phase), "done": .size(sample.done),
      "total": sample.total > 0 ? .size(sample.total) : .none, "bytes-per-second": .size(rate.bytesPerSecond),
      "seconds-left": rate.secondsLeft(sample).map { .count($0) } ?? .none,
    ]
    for fact in sample.details.facts { record.add(fact.key, fact.value) }
    return record.json
  }

  private static func line(_ sample: ProgressSample, _ rate: Rate) -> String {
    var text = "\(sample.phase): \(shortSize(sample.done))"
    if sample.total > 0 {
      text += " of \(shortSize(sample.total)) (\(percent(sample)) %)"
    }
    text += ", \(shortSize(rate.bytesPerSecond))/s"
    if let left = rate.secondsLeft(sample) { text += ", \(time(left)) left" }
    return text
  }

  private static func bar(_ sample: ProgressSample, _ rate: Rate, columns: Int) -> String {
    let text = line(sample, rate)
    let room = columns - text.count - 4
    guard sample.total > 0, room >= 10 else { return String(text.prefix(columns - 1)) }
    let filled = Int(Double(room) * min(Double(sample.done) / Double(sample.total), 1))
    return "[" + String(repeating: "#", count: filled) + String(repeating: "·", count: room - filled) + "] " + text
  }

  private static func percent(_ sample: ProgressSample) -> UInt64 {
    UInt64(min(Double(sample.done) / Double(max(sample.total, 1)), 1) * 100)
  }

  private static func time(_ seconds: UInt64) -> String {
    let rest = seconds % 60
    return seconds >= 3600
      ? "\(seconds / 3600) h \(seconds % 3600 / 60) min" : "\(seconds / 60):\(rest < 10 ? "0" : "")\(rest)"
  }

  private static func draw(_ text: String) {
    var text = text
    text.withUTF8 { bytes in _ = unsafe write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
  }
}

/// A rate averaged over the last seconds of a phase.
private struct Rate {
  private var phase = ""
  private var samples: [(time: ContinuousClock.Instant, done: UInt64)] = []

  mutating func add(_ sample: ProgressSample) {
    if sample.phase != phase {
      phase = sample.phase
      samples = []
    }
    samples.append((.now, sample.done))
    if samples.count > 50 { samples.removeFirst(samples.count - 50) }
  }

  var bytesPerSecond: UInt64 {
    guard let first = samples.first, let last = samples.last, last.done > first.done else { return 0 }
    let span = first.time.duration(to: last.time).components
    let seconds = Double(span.seconds) + Double(span.attoseconds) * 1e-18
    return seconds > 0.05 ? UInt64(Double(last.done - first.done) / seconds) : 0
  }

  func secondsLeft(_ sample: ProgressSample) -> UInt64? {
    guard sample.total > sample.done, bytesPerSecond > 0 else { return nil }
    return (sample.total - sample.done) / bytesPerSecond
  }
}
