package import Flow
package import Images
package import Patching

/// What to write, where, and how: a flash as its command line says it.
package struct FlashRequest: Sendable {
  package var source: SourceRequest
  /// A single partition and the name of the target that it goes to.
  package struct PartitionTarget: Sendable, Hashable {
    package let number: Int
    package let target: String
    package init(number: Int, target: String) {
      self.number = number
      self.target = target
    }
  }

  /// The name of the target for the whole disk; `-` is standard output; nil where only partitions are written.
  package var target: String?
  /// List the partitions first, or all regions of the disk.
  package var listsPartitions = false
  package var listsRegions = false
  /// Single partitions to write, before the whole disk.
  package var partitions: [PartitionTarget] = []
  /// Read back afterwards; nil: block devices yes, regular files no.
  package var verifies: Bool?
  package var policy = CopyPolicy()
  /// Threads that read, decode and write; nil: chosen for the machine.
  package var workers: Int?
  /// Move a sound GPT's backup to the end of a larger disk.
  package var fixesGPT = true
  /// Write a partition table that counts in other sectors than the target's.
  package var allowsSectorMismatch = false
  /// Write to a whole disk as to a partition: no partition table is expected in the image.
  package var keepsTable = false
  /// Read and check all of the image and write nothing; there is no target then.
  package var checksOnly = false
  /// Where on the target the image goes, in bytes.
  package var offset: UInt64 = 0
  /// Wipe signatures of other filesystems that are left in unused space.
  package var wipesSignatures = false
  /// Look at the table and the filesystems of what was written.
  package var checksQuickly = true
  /// Let a file share the blocks of a raw image where its filesystem can (a reflink), instead of copying them.
  package var sharesBlocks = false
  /// Changes to make inside what was written.
  package var patches = PatchRequest()
  /// Look and check, but write nothing.
  package var isDryRun = false

  /// Whether a disk or a partition goes to standard output, where nothing else may go then.
  package var usesStandardOutput: Bool { target == "-" || partitions.contains { $0.target == "-" } }

  package init(source: SourceRequest, target: String? = nil) {
    self.source = source
    self.target = target
  }
}

/// Which image to read, and how.
package struct SourceRequest: Sendable {
  /// The image's name; `-` is standard input.
  package var name: String
  /// The format's name, instead of looking at the contents.
  package var format: String?
  package var options = ImageOptions()
  /// Threads that decompress; nil: chosen for the machine.
  package var workers: Int?

  package init(_ name: String) { self.name = name }
}
