package import Bytes
package import Filesystems
import Glibc

/// A file or directory as listings show it: its name, what stat(2) tells, and where a symbolic link leads.
package struct ListedEntry: Sendable {
  package let name: FileName
  package let file: FileID
  /// Nil where they could not be read.
  package var attributes: FileAttributes?
  /// A symbolic link's target; nil for other files, and where it could not be read.
  package var target: FileName?

  package init(name: FileName, file: FileID, attributes: FileAttributes?, target: FileName? = nil) {
    self.name = name
    self.file = file
    self.attributes = attributes
    self.target = target
  }

  /// The name, and the target of a symbolic link, for people.
  package var label: String { name.description + (target.map { " -> \($0)" } ?? "") }

  /// The cells of `ls -l`: mode, links, owner, group, size or device numbers, time.
  package var cells: [String] {
    guard let attributes else { return ["?", "?", "?", "?", "?", "?"] }
    let size = attributes.device.map { "\($0.major), \($0.minor)" } ?? String(attributes.byteCount)
    return [
      attributes.modeText, String(attributes.linkCount), String(attributes.owner), String(attributes.group), size,
      attributes.modified.localText,
    ]
  }

  /// The entry for programs.
  package var record: Record {
    var record = Record()
    record.add(name: name, as: "name")
    record.add("inode", .count(file.number))
    if let attributes { for fact in attributes.record.facts { record.add(fact.key, fact.value) } }
    if let target { record.add(name: target, as: "target") }
    return record
  }
}

extension Record {
  /// Adds a name as text, and in hexadecimal too where it is not UTF-8.
  package mutating func add(name: FileName, as key: String) {
    add(key, .text(name.text ?? name.description))
    guard name.text == nil else { return }
    let digits = name.bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    add(key + "-bytes", .text(digits))
  }
}

extension FileAttributes {
  /// Kind and permissions as `ls -l` writes them: `drwxr-sr-x`.
  package var modeText: String {
    var text = String(kind.letter)
    let special: [(bit: UInt16, letter: Character)] = [(0o4000, "s"), (0o2000, "s"), (0o1000, "t")]
    for (index, (bit, letter)) in special.enumerated() {
      let three = permissions >> UInt16(6 - 3 * index) & 7
      text.append(three & 4 != 0 ? "r" : "-")
      text.append(three & 2 != 0 ? "w" : "-")
      let runs = three & 1 != 0
      if permissions & bit != 0 {
        text += runs ? String(letter) : letter.uppercased()
      } else {
        text.append(runs ? "x" : "-")
      }
    }
    return text
  }

  /// The attributes for programs.
  package var record: Record {
    let octal = String(permissions & 0xfff, radix: 8)
    var record: Record = [
      "kind": .text(kind.name), "mode": .text(String(repeating: "0", count: 4 - octal.count) + octal),
      "links": .count(UInt64(linkCount)), "owner": .count(UInt64(owner)), "group": .count(UInt64(group)),
      "size": .size(byteCount), "allocated": .size(allocatedByteCount), "modified": .text(modified.text),
    ]
    record.add("accessed", accessed.map { .text($0.text) })
    record.add("changed", changed.map { .text($0.text) })
    record.add("created", created.map { .text($0.text) })
    record.add("device", device.map { .text("\($0.major):\($0.minor)") })
    if !flags.isEmpty { record.add("flags", .list(flags.map { .text($0) })) }
    return record
  }
}

extension Timestamp {
  /// The moment in UTC (ISO 8601): `2026-11-23T19:40:00.123456789Z`.
  package var text: String {
    let (day, second) = Self.split(seconds)
    let (year, month, date) = Self.date(ofDay: day)
    let time = [second / 3600, second % 3600 / 60, second % 60].map { Self.padded($0, 2) }.joined(separator: ":")
    let fraction = nanoseconds == 0 ? "" : "." + Self.padded(Int64(nanoseconds), 9)
    return "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(date, 2))T\(time)\(fraction)Z"
  }

  /// The moment in the local time zone to the minute: `2026-11-23 19:40`.
  package var localText: String {
    var moment = time_t(seconds)
    var parts = unsafe tm()
    guard unsafe localtime_r(&moment, &parts) != nil else { return text }
    let date = unsafe [Int64(parts.tm_mon) + 1, Int64(parts.tm_mday)].map { Self.padded($0, 2) }.joined(separator: "-")
    let time = unsafe [Int64(parts.tm_hour), Int64(parts.tm_min)].map { Self.padded($0, 2) }.joined(separator: ":")
    let year = unsafe Int64(parts.tm_year) + 1900
    return "\(Self.padded(year, 4))-\(date) \(time)"
  }

  private static func split(_ seconds: Int64) -> (day: Int64, second: Int64) {
    let (day, second) = seconds.quotientAndRemainder(dividingBy: 86400)
    return second < 0 ? (day - 1, second + 86400) : (day, second)
  }

  /// Year, month and day of the month in the Gregorian calendar of a day counted from 1970-01-01.
  private static func date(ofDay day: Int64) -> (year: Int64, month: Int64, day: Int64) {
    // Counted from 0000-03-01, so that leap days end a year; 146097 days make 400 years.
    let shifted = day + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let inEra = shifted - era * 146_097
    let year = (inEra - inEra / 1460 + inEra / 36_524 - inEra / 146_096) / 365
    let inYear = inEra - (365 * year + year / 4 - year / 100)
    let month = (5 * inYear + 2) / 153
    let date = inYear - (153 * month + 2) / 5 + 1
    let isNextYear = month >= 10
    return (year + era * 400 + (isNextYear ? 1 : 0), isNextYear ? month - 9 : month + 3, date)
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number.magnitude)
    let zeroes = String(repeating: "0", count: max(0, width - digits.count))
    return (number < 0 ? "-" : "") + zeroes + digits
  }
}
