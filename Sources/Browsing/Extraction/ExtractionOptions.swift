/// What an extraction restores beside contents, names, modes and times.
package struct ExtractionOptions: Sendable {
  /// Owners, groups and with them set-ID bits and capabilities; takes root.
  package var setsOwners: Bool
  /// Character and block devices; left out otherwise.
  package var makesDevices = false

  package init(setsOwners: Bool) { self.setsOwners = setsOwners }
}

/// What an extraction did.
package struct ExtractionReport: Sendable {
  /// Files that could not be extracted, the first of them with their reasons.
  package struct Failure: Sendable {
    package let path: String
    package let error: any Error
  }

  /// The most failures that are listed.
  package static let listedCount = 100

  package var files: UInt64 = 0
  package var folders: UInt64 = 0
  package var links: UInt64 = 0
  /// Bytes of contents, holes counted.
  package var byteCount: UInt64 = 0
  /// Devices that were left out.
  package var devicesLeftOut: UInt64 = 0
  /// Sockets that an archive cannot hold.
  package var socketsLeftOut: UInt64 = 0
  /// Files with set-ID bits that were not set.
  package var setIDsLeftOut: UInt64 = 0
  /// What the destination refused: `owner`, `mode`, `times`, and extended attributes by the start of their names.
  package var attributesLeftOut: [String: UInt64] = [:]
  package var failures: [Failure] = []
  /// Failures beyond those that are listed.
  package var unlistedFailures: UInt64 = 0

  package init() {}

  /// Notes a file that could not be extracted.
  package mutating func fail(_ path: String, _ error: any Error) {
    if failures.count < Self.listedCount {
      failures.append(Failure(path: path, error: error))
    } else {
      unlistedFailures += 1
    }
  }

  /// Takes over the failures of `other`.
  package mutating func add(failuresOf other: ExtractionReport) {
    for failure in other.failures { fail(failure.path, failure.error) }
    unlistedFailures += other.unlistedFailures
  }

  /// What was left out, in sentences.
  package var notes: [String] {
    var notes: [String] = []
    if devicesLeftOut > 0 { notes.append("\(Self.count(devicesLeftOut, "device")) left out; --devices makes them") }
    if socketsLeftOut > 0 { notes.append("\(Self.count(socketsLeftOut, "socket")) left out: tar has none") }
    if setIDsLeftOut > 0 {
      notes.append("set-user-ID and set-group-ID bits of \(Self.count(setIDsLeftOut, "file")) are not set")
    }
    for (kind, count) in attributesLeftOut.sorted(by: { $0.key < $1.key }) {
      notes.append(
        "\(kind) of \(Self.count(count, "file")) not kept: the destination refuses it, or it takes root")
    }
    return notes
  }

  /// `1 file`, `2 files`.
  package static func count(_ count: UInt64, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}
