/// One name in a directory; `.` and `..` are never listed.
package struct DirectoryEntry: Hashable, Sendable {
  package let name: FileName
  package let file: FileID
  /// The kind, where the directory itself says it.
  package let kind: FileKind?
  /// Where the listing goes on behind this entry: `Filesystem.entries(of:from:limit:)`.
  package let next: UInt64

  package init(name: FileName, file: FileID, kind: FileKind?, next: UInt64) {
    self.name = name
    self.file = file
    self.kind = kind
    self.next = next
  }
}
