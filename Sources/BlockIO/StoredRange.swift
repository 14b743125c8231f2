/// A range of a file that holds bytes of a disk as they are.
package struct StoredRange: Sendable {
  package let file: FileSource
  /// Where it starts in the file, in bytes.
  package let offset: UInt64
  /// Its length in bytes; it ends at or before the file does.
  package let length: UInt64

  package init(_ file: FileSource, offset: UInt64, length: UInt64) {
    self.file = file
    self.offset = offset
    self.length = length
  }
}
