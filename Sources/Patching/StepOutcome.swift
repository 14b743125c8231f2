package import Bytes

/// What a step did, or in a rehearsal would do.
package struct StepOutcome: Sendable {
  /// The step as the user wrote it.
  package let text: String
  /// The volume that it was for: `disk.img:2`, and its partition's number.
  package let volume: String
  package let partition: Int?
  /// What became of the path, such as `created` or `replaced`.
  package var verb = "unchanged"
  /// The path in the volume, symbolic links followed.
  package var path = "/"
  /// Size in bytes of the contents that the path had, and of what it gets.
  package var oldByteCount: UInt64?
  package var byteCount: UInt64?
  /// Where the path's file goes, or what it points to.
  package var detail: String?
  /// Files and directories of a tree.
  package var files: UInt64 = 0
  package var folders: UInt64 = 0

  init(_ step: PatchStep, _ volume: PatchedVolume) {
    text = step.text
    self.volume = volume.name
    partition = volume.number
  }

  /// The outcome for people: `/etc/hostname on disk.img:2: replaced, 6 bytes (12 before)`.
  package var sentence: String {
    var words = [verb]
    if let byteCount { words.append(shortSize(byteCount) + (oldByteCount.map { " (\(shortSize($0)) before)" } ?? "")) }
    if let detail { words.append(detail) }
    let counts = [(files, "file"), (folders, "directory")].filter { $0.0 > 0 }.map { Self.count($0, $1) }
    if !counts.isEmpty { words.append(counts.joined(separator: " and ")) }
    return "\(path) on \(volume): \(words.joined(separator: ", "))".printable
  }

  private static func count(_ count: UInt64, _ noun: String) -> String {
    "\(count) \(count == 1 ? noun : noun.hasSuffix("y") ? noun.dropLast() + "ies" : noun + "s")"
  }

  /// The outcome for programs.
  package var record: Record {
    var record: Record = ["step": .text(text), "volume": .text(volume), "path": .text(path), "change": .text(verb)]
    record.add("partition", partition.map { .count(UInt64($0)) })
    record.add("size", byteCount.map { .size($0) })
    record.add("old-size", oldByteCount.map { .size($0) })
    record.add("detail", detail.map { .text($0) })
    if files + folders > 0 {
      record.add("files", .count(files))
      record.add("directories", .count(folders))
    }
    return record
  }
}
