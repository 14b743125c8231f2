package import BlockIO

/// A family of filesystems: how it is recognised and opened.
///
/// One value for each driver, listed where all drivers are known.
package struct FilesystemType: Sendable {
  /// The family's name for people: `ext2/3/4`.
  package let name: String
  /// Whether the volume bears this family's superblock; cheap, and right about those that share a magic number.
  package let probe: @Sendable (any BlockSource) throws -> Bool
  /// Whether a volume whose superblock is damaged has a copy that is read in its place; nil where the driver knows none.
  ///
  /// Asked only of volumes that show no filesystem's signature.
  package let probeCopy: (@Sendable (any BlockSource) throws -> Bool)?
  /// Opens the volume for reading; throws `ImageError` where it is damaged or unsupported, before anything is shown.
  package let open: @Sendable (any BlockSource) throws -> any Filesystem

  /// Opens a volume for changing it: the store, and whether it is a rehearsal.
  package typealias WritableOpening = @Sendable (any BlockStore, Bool) throws -> any WritableFilesystem
  /// Opens the volume for changing it; nil where the driver only reads.
  ///
  /// In a rehearsal contents of files are neither read nor written, so that only space, names and types are tried. The
  /// store takes reads and writes of any range; nothing is written by opening.
  package let openForWriting: WritableOpening?

  package init(
    name: String, probe: @escaping @Sendable (any BlockSource) throws -> Bool,
    probeCopy: (@Sendable (any BlockSource) throws -> Bool)? = nil,
    open: @escaping @Sendable (any BlockSource) throws -> any Filesystem,
    openForWriting: WritableOpening? = nil
  ) {
    self.name = name
    self.probe = probe
    self.probeCopy = probeCopy
    self.open = open
    self.openForWriting = openForWriting
  }
}
