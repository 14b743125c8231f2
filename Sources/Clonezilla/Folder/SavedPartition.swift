import Bytes

/// A partition that a folder knows of, and what it keeps of it.
package struct SavedPartition: Sendable {
  /// What a folder keeps of a partition.
  package enum Content: Sendable {
    case image(SavedImage)
    /// A swap area's UUID and label, from which it is made anew.
    case swap(SwapInfo)
    /// The logical partitions' container, which the table brings back.
    case container
    /// Something that is not restored, and why, in a sentence about the partition.
    case unsupported(String)
    /// Nothing: it was not saved.
    case nothing
  }

  package let device: DeviceName
  /// Its number in the disk's table; nil for a whole disk without one.
  package let number: Int?
  /// The filesystem as ocs-sr found it; nil where nothing says it.
  package let filesystem: String?
  /// Its size as ocs-sr wrote it, such as `40M`.
  package let sizeText: String?
  package let content: Content

  /// The image, if there is one.
  package var image: SavedImage? { if case .image(let image) = content { image } else { nil } }
}

/// One disk of a folder.
package struct SavedDisk: Sendable {
  package let device: DeviceName
  /// The table as sfdisk(8) wrote it; nil for a disk without one, or whose dump is missing.
  package let dump: SfdiskDump?
  package let geometry: DiskGeometry
  /// In the order of their numbers.
  package let partitions: [SavedPartition]

  /// The partition called `number`, or nil.
  package func partition(_ number: Int) -> SavedPartition? { partitions.first { $0.number == number } }
}
