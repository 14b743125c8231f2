package import BlockIO

/// A volume's files, for reading.
///
/// A driver is a final class over a `BlockSource`. It belongs to one thread at a time, holds no file and no directory
/// whole, and keeps metadata in caches of bounded size. Where bytes contradict the format it throws `ImageError` with
/// `format` set to `type` and the offset in the volume; what a caller asked wrongly is a `FileError`.
package protocol Filesystem: AnyObject {
  /// The type as blkid(8) says it: `ext4`, `vfat`, `exfat`.
  var type: String { get }
  /// Type, label, UUID and features, for `info`-like tables.
  var identity: VolumeIdentity { get }
  /// Space and file counts.
  func statistics() throws -> VolumeStatistics
  /// Sentences that a user should know before trusting what is read: a journal that was replayed in memory, an unclean
  /// volume, errors that the volume itself has recorded.
  var warnings: [String] { get }

  /// Whether names that differ in case alone are one name.
  var ignoresCase: Bool { get }

  /// The root directory.
  var root: FileID { get }

  /// The entry called `name` in `directory`, by the volume's own rules of upper and lower case; nil where there is none.
  /// Never called with `.` or `..`.
  func lookup(_ name: FileName, in directory: FileID) throws -> FileID?

  /// At most `limit` (1 and more) entries of `directory` in the volume's own order, `.` and `..` left out; from the start
  /// for 0, else from an entry's `next`. Empty at the end.
  func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry]

  /// What stat(2) would tell.
  func attributes(of file: FileID) throws -> FileAttributes

  /// A regular file's contents.
  func contents(of file: FileID) throws -> any FileContents

  /// Where a symbolic link points to, at most 64 KiB.
  func symbolicLinkTarget(of file: FileID) throws -> FileName

  /// The extended attributes, POSIX ACLs among them in the form that getxattr(2) gives; at most 1 MiB in all.
  func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute]

  /// What lies at `offset` of the volume up to `limit`: `.data` where it is allocated, `.unused` where it is free; an
  /// extent starts at `offset`.
  func allocation(at offset: UInt64, limit: UInt64) throws -> Extent

  /// Looks at what can be looked at in less than a second or so: superblocks and their copies, sizes against the volume,
  /// checksums of the space maps' descriptors, the root directory. Damage is a finding, not an error.
  func quickCheck() throws -> CheckReport
}

extension Filesystem {
  package var ignoresCase: Bool { false }
}

/// A regular file's contents; belongs to its driver's thread.
package protocol FileContents: AnyObject {
  /// Size in bytes.
  var byteCount: UInt64 { get }

  /// What lies at `offset` (below `byteCount`), as an extent that starts there and ends at or before `limit`: `.data`,
  /// `.zero` where space is reserved but was never written, `.unallocated` for a hole.
  func extent(at offset: UInt64, limit: UInt64) throws -> Extent

  /// Fills `buffer` with the bytes at `offset`; the range must lie inside the file. Large reads go past the caches.
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws
}
