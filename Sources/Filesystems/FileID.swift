/// A file or directory of a volume, as its driver finds it again.
package struct FileID: Hashable, Sendable {
  /// The number that users know: an inode number, an MFT record number, the place of a directory entry.
  package let number: UInt64
  /// What else the driver needs: a subvolume, a sequence number, the directory that the entry lies in.
  package let context: UInt64

  package init(_ number: UInt64, context: UInt64 = 0) {
    self.number = number
    self.context = context
  }
}
