package import Browsing
package import Bytes
package import Flow
package import Images
package import Patching

/// What a finished flash did.
package struct FlashReport: Sendable {
  package var source: String
  package var format: String
  package var target: String
  /// Size of the disk in bytes.
  package var byteCount: UInt64 = 0
  /// Bytes of the target written, zeroed, kept and discarded.
  package var written: UInt64 = 0
  package var zeroed: UInt64 = 0
  package var kept: UInt64 = 0
  package var discarded: UInt64 = 0
  /// Bytes of the target that are the image's own blocks until either changes them.
  package var shared: UInt64 = 0
  /// Bytes read back and found right; nil if nothing was read back.
  package var verified: UInt64?
  /// Ranges that did not read as they were written.
  package var bad: [BadRange] = []
  /// The quick check of what was written; nil where there was none.
  package var check: DiskCheck?
  /// What was changed inside; nil if nothing was to be.
  package var patches: PatchReport?
  /// What would be changed inside, where nothing was written.
  package var planned: [StepOutcome] = []
  /// Whether the image was only read and checked.
  package var isCheck = false
  /// Seconds for writing and for verifying.
  package var writeSeconds: Double = 0
  package var verifySeconds: Double = 0

  /// The report for programs.
  package var record: Record {
    var record: Record = [
      "source": .text(source), "format": .text(format), "target": isCheck ? .none : .text(target),
      "size": .size(byteCount),
      "written": .size(written), "zeroed": .size(zeroed), "kept": .size(kept), "discarded": .size(discarded),
      "verified": verified.map { .size($0) } ?? .none,
      "write-milliseconds": .count(UInt64(writeSeconds * 1000)),
      "verify-milliseconds": .count(UInt64(verifySeconds * 1000)),
    ]
    record.add("shared", shared > 0 ? .size(shared) : nil)
    record.add(
      "bad",
      .list(
        bad.map { bad in
          .record([
            "offset": .size(bad.range.lowerBound), "length": .size(UInt64(bad.range.count)),
            "unstable": .flag(bad.isUnstable),
            "first-difference": bad.firstDifference.map { .size($0) } ?? .none,
          ])
        }))
    record.add("patches", patches.map { .record($0.record) })
    record.add("planned-patches", planned.isEmpty ? nil : .list(planned.map { .record($0.record) }))
    record.add("check", check.map { .record($0.record) })
    return record
  }

  /// The report for people, a sentence a line.
  package var sentences: [String] {
    var lines: [String] = []
    let seconds = max(writeSeconds, 0.001)
    if isCheck {
      return ["\(source): sound; all of it was read (\(describeSize(written)) of data for \(describeSize(byteCount)))"]
    }
    lines.append(
      "\(shortSize(byteCount)) in \(Self.tenths(seconds)) s (\(shortSize(UInt64(Double(byteCount) / seconds)))/s): "
        + "\(shortSize(written)) written, \(shortSize(zeroed)) zeroed")
    if shared > 0 { lines.append("\(shortSize(shared)) shared with \(source) until either is changed (reflink)") }
    if kept > 0 {
      lines.append("\(describeSize(kept)) stay as they were on the target: the image says nothing of them")
    }
    if discarded > 0 { lines.append("\(describeSize(discarded)) were discarded and may read as anything") }
    if let verified, bad.isEmpty {
      lines.append(
        "verified: \(describeSize(verified)) read back from the medium in \(Self.tenths(verifySeconds)) s, all right")
    }
    lines += patches?.sentences ?? []
    if let check, check.isTelling { lines.append(check.summary) }
    return lines
  }

  private static func tenths(_ seconds: Double) -> String {
    let tenths = UInt64(seconds * 10 + 0.5)
    return "\(tenths / 10).\(tenths % 10)"
  }
}

/// What was read back is not what was written.
package struct VerificationFailure: Error, Sendable, CustomStringConvertible {
  package let target: String
  package let bad: [BadRange]

  package init(target: String, bad: [BadRange]) {
    self.target = target
    self.bad = bad
  }

  package var description: String {
    var lines = [
      "\(target) does not hold what was written to it: do not use it; the medium or its connection is failing"
    ]
    for one in bad.prefix(20) {
      let place = "bytes \(one.range.lowerBound) to \(one.range.upperBound - 1)"
      if one.isUnstable {
        lines.append("  \(place): unstable, read wrong the first time and right the second")
      } else if let first = one.firstDifference {
        lines.append("  \(place): wrong, the first difference is at offset \(first)")
      } else {
        lines.append("  \(place): wrong somewhere in this range")
      }
    }
    if bad.count > 20 { lines.append("  and \(bad.count - 20) more ranges") }
    return lines.joined(separator: "\n")
  }
}

/// An image whose damage was passed over, as the user asked.
package struct DamagedImage: Error, Sendable, CustomStringConvertible {
  package let source: String
  package let target: String
  package let log: DamageLog

  package var description: String {
    var lines = ["\(source) is damaged; \(target) holds what could be read of it, and is wrong in these places:"]
    for one in log.ranges {
      let place = one.target.map { "target bytes \($0.lowerBound) to \($0.upperBound - 1), " } ?? ""
      lines.append("  \(place)image bytes \(one.image.lowerBound) to \(one.image.upperBound - 1): \(one.cause)")
    }
    if log.omitted > 0 { lines.append("  and \(log.omitted) more ranges") }
    return lines.joined(separator: "\n")
  }
}
