/// What a quick check of a volume found.
package struct CheckReport: Hashable, Sendable {
  /// How bad a finding is.
  package enum Severity: Sendable, Hashable, Comparable {
    /// Worth knowing: the volume was not unmounted cleanly, a copy of the superblock is old.
    case notice
    /// The volume is damaged; its own checker is needed.
    case damage
  }

  /// One thing that is not as it should be, as a sentence with its place.
  package struct Finding: Hashable, Sendable {
    package let severity: Severity
    package let sentence: String
    package init(_ severity: Severity, _ sentence: String) {
      self.severity = severity
      self.sentence = sentence
    }
  }

  package var findings: [Finding] = []
  /// What was looked at, as short phrases: `superblock and 5 copies`.
  package var checked: [String] = []
  /// What was not: `files' contents`, `the inode table`.
  package var unchecked: [String] = []

  package init() {}

  /// Whether nothing damaged was found.
  package var isSound: Bool { !findings.contains { $0.severity == .damage } }

  package mutating func add(_ severity: Severity, _ sentence: String) {
    findings.append(Finding(severity, sentence))
  }
}
