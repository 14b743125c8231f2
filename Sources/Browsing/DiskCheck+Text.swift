package import Bytes
import Filesystems

extension DiskCheck {
  /// The check for programs.
  package var record: Record {
    var record: Record = ["sound": .flag(isSound), "table": table.map { .text($0) } ?? .none]
    record.add("table-findings", tableReport.findings.isEmpty ? nil : tableReport.findingFacts)
    record.add(
      "volumes",
      .list(
        volumes.map { volume in
          var facts = Record()
          facts.add("partition", volume.number.map { .count(UInt64($0)) })
          facts.add("type", volume.type.map { .text($0) } ?? .none)
          facts.add("label", volume.label.flatMap { $0.isEmpty ? nil : .text($0) })
          facts.add("sound", volume.report.map { .flag($0.isSound) } ?? .none)
          if let report = volume.report {
            facts.add("findings", report.findingFacts)
            facts.add("checked", .list(report.checked.map { .text($0) }))
            facts.add("unchecked", .list(report.unchecked.map { .text($0) }))
          }
          facts.add("not-checked", volume.reason.map { .text($0) })
          return .record(facts)
        }))
    return record
  }

  /// All that was looked at and found, a sentence a line.
  package var sentences: [String] {
    var lines: [String] = []
    if let table {
      lines.append("\(table): " + Self.verdict(tableReport))
      lines += tableReport.findings.map { "  " + $0.line }
    }
    for volume in volumes {
      guard let report = volume.report else {
        lines.append("\(volume.title): not looked at: \(volume.reason ?? "")")
        continue
      }
      lines.append("\(volume.title): \(Self.verdict(report))")
      lines += report.findings.map { "  " + $0.line }
      if !report.unchecked.isEmpty { lines.append("  not looked at: " + report.unchecked.joined(separator: ", ")) }
    }
    if lines.isEmpty { lines = ["the table has no partitions"] }
    return lines.map(\.printable)
  }

  /// The check in one sentence, without findings.
  package var summary: String {
    var parts = table.map { ["\($0) " + (tableReport.isSound ? "sound" : "DAMAGED")] } ?? []
    for volume in volumes {
      if let report = volume.report { parts.append("\(volume.title) " + (report.isSound ? "sound" : "DAMAGED")) }
    }
    let others = volumes.filter { $0.report == nil }.map { "\($0.title): \($0.reason ?? "")" }
    if volumes.contains(where: { $0.report != nil }) { parts.append("files' contents were not read") }
    if !others.isEmpty { parts.append("not looked at: " + others.joined(separator: ", ")) }
    return "quick check: \(parts.joined(separator: "; "))".printable
  }

  /// What is damaged, a sentence each.
  package var damage: [String] {
    let inTable = tableReport.findings.filter { $0.severity == .damage }.map(\.sentence)
    return
      (inTable
      + volumes.flatMap { volume in
        (volume.report?.findings ?? []).filter { $0.severity == .damage }.map { "\(volume.title): \($0.sentence)" }
      }).map(\.printable)
  }

  private static func verdict(_ report: CheckReport) -> String {
    let checked = report.checked.isEmpty ? "" : " (" + report.checked.joined(separator: ", ") + ")"
    return (report.isSound ? "sound" : "damaged") + checked
  }
}

extension DiskCheck.Volume {
  /// What the volume is called: `partition 2 (ext4 "root")`.
  package var title: String {
    let name = label.flatMap { $0.isEmpty ? nil : "\"\($0)\"" }
    let what = [type, name].compactMap(\.self).joined(separator: " ")
    guard let number else { return what.isEmpty ? "the whole disk" : what }
    return "partition \(number)" + (what.isEmpty ? "" : " (\(what))")
  }
}

extension CheckReport {
  /// The findings for programs.
  fileprivate var findingFacts: Record.Value {
    .list(
      findings.map { finding in
        .record([
          "severity": .text(finding.severity == .damage ? "damage" : "notice"), "finding": .text(finding.sentence),
        ])
      })
  }
}

extension CheckReport.Finding {
  /// The finding as a line.
  fileprivate var line: String { (severity == .damage ? "damage: " : "note: ") + sentence }
}
