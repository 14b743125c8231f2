import Browsing
package import Bytes

/// What patches did.
package struct PatchReport: Sendable {
  package var outcomes: [StepOutcome] = []
  /// Files that were read again and compared, and bytes of their contents.
  package var comparedFiles: UInt64 = 0
  package var comparedByteCount: UInt64 = 0

  package init() {}

  /// The report for people, a sentence a line.
  package var sentences: [String] {
    outcomes.map { "patched: " + $0.sentence } + [
      "compared: \(comparedFiles) file\(comparedFiles == 1 ? "" : "s") read back from the medium "
        + "(\(describeSize(comparedByteCount)) of contents), all right"
    ]
  }

  /// The report for programs.
  package var record: Record {
    [
      "steps": .list(outcomes.map { .record($0.record) }), "compared-files": .count(comparedFiles),
      "compared": .size(comparedByteCount),
    ]
  }
}

/// Patches that cannot be made, or were made in part.
package struct PatchFailure: Error, Sendable, CustomStringConvertible {
  /// What went wrong.
  package let cause: any Error
  package let description: String
  /// Whether nothing had been changed yet.
  package let isRehearsal: Bool

  /// `index` is the step that failed: nil before the first, their number after the last.
  init(_ cause: any Error, at index: Int?, of steps: [PatchStep], isRehearsal: Bool) {
    self.cause = cause
    self.isRehearsal = isRehearsal
    guard let index else {
      description = "\(cause)"
      return
    }
    let step = index < steps.count ? steps[index].text + ": " : ""
    // A sentence that names the step already needs no second name.
    let what = "\(cause)".hasPrefix(step) ? "\(cause)" : step + "\(cause)"
    guard !isRehearsal else {
      description = what
      return
    }
    var lines = [what]
    if index >= steps.count {
      lines.append("all \(steps.count) steps were made, but perhaps not all of them are on the medium")
    } else {
      let done = steps.prefix(index).map(\.text)
      let open = steps.dropFirst(index).map(\.text)
      lines.append("done: " + (done.isEmpty ? "nothing" : done.joined(separator: ", ")))
      lines.append("not done (the first of them perhaps in part, if it is a tree): " + open.joined(separator: ", "))
    }
    description = lines.joined(separator: "\n")
  }
}

/// What was patched reads otherwise from the medium.
package struct PatchMismatch: Error, Sendable, CustomStringConvertible {
  package let description: String

  init(target: String, sentences: [String]) {
    description =
      (["\(target) does not hold what was patched: do not use it; the medium or its connection is failing"]
      + sentences.map { "  " + $0 }).joined(separator: "\n")
  }
}
