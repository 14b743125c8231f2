/// A contiguous range of a disk and what an image says about it.
package struct Extent: Hashable, Sendable {
  /// What an image says about a range.
  package enum Kind: Sendable {
    /// Bytes are stored.
    case data
    /// The image says that the range is zero: a zero flag, a hole in a raw file, a range past a shorter backing file.
    case zero
    /// No layer of the image allocates the range; it reads as zeroes.
    case unallocated
    /// A filesystem's free space, which a backup left out; its contents do not matter.
    case unused
  }

  /// First byte, from the start of the disk.
  package var offset: UInt64
  /// Length in bytes, never 0.
  package var length: UInt64
  package var kind: Kind

  package init(_ kind: Kind, offset: UInt64, length: UInt64) {
    self.kind = kind
    self.offset = offset
    self.length = length
  }

  /// The byte after the last one.
  package var end: UInt64 { offset + length }
}
