/// The attribute bits of a directory entry of FAT and exFAT, the lower byte of NTFS's.
package struct DOSAttributes: OptionSet, Hashable, Sendable {
  package let rawValue: UInt8
  package init(rawValue: UInt8) { self.rawValue = rawValue }

  package static let readOnly = DOSAttributes(rawValue: 0x01)
  package static let hidden = DOSAttributes(rawValue: 0x02)
  package static let system = DOSAttributes(rawValue: 0x04)
  package static let volumeLabel = DOSAttributes(rawValue: 0x08)
  package static let directory = DOSAttributes(rawValue: 0x10)
  package static let archive = DOSAttributes(rawValue: 0x20)

  /// The bits that users see, as words.
  package var words: [String] {
    let names: [(DOSAttributes, String)] = [
      (.readOnly, "read-only"), (.hidden, "hidden"), (.system, "system"), (.archive, "archive"),
    ]
    return names.compactMap { contains($0.0) ? $0.1 : nil }
  }

  /// The bits for `words`; other words are left out.
  package init(words: [String]) {
    self = words.reduce([]) { bits, word in
      switch word {
      case "read-only": bits.union(.readOnly)
      case "hidden": bits.union(.hidden)
      case "system": bits.union(.system)
      case "archive": bits.union(.archive)
      default: bits
      }
    }
  }

  /// A directory or a regular file.
  package var kind: FileKind { contains(.directory) ? .directory : .regular }

  /// The permissions that stand for them: 0755 for a directory, 0644 for a file, without `w` where read-only.
  package var permissions: UInt16 {
    let full: UInt16 = contains(.directory) ? 0o755 : 0o644
    return contains(.readOnly) ? full & 0o555 : full
  }

  /// The bits after a change of permissions or words; nil where they cannot tell the permissions.
  package func changed(to new: FileAttributes, from old: FileAttributes) -> DOSAttributes? {
    var bits = intersection([.directory, .volumeLabel]).union(DOSAttributes(words: new.flags))
    guard new.permissions != old.permissions else { return bits }
    let full: UInt16 = contains(.directory) ? 0o755 : 0o644
    guard new.permissions == full || new.permissions == full & 0o555 else { return nil }
    bits.remove(.readOnly)
    return new.permissions == full ? bits : bits.union(.readOnly)
  }
}
