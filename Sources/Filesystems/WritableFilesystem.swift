/// A volume whose files can be changed.
///
/// The first `transaction(_:)` marks the volume as being changed, `finish()` takes the mark away. Changes of a transaction
/// gather in memory and reach the volume at its end: whole, or after a power cut not at all (with a journal), or in an
/// order that the volume's checker repairs without losing anything else (without one). A transaction that throws leaves
/// the volume as it was before it.
///
/// Everything that changes a file is called inside a transaction; nothing here looks at permissions.
package protocol WritableFilesystem: Filesystem {
  /// Throws `ImageError` of kind `unsupported`, by the feature's name, where the volume uses something that only reading
  /// supports or is in a state in which it must not be written (errors recorded); nothing is written by asking.
  func requireWritable() throws

  /// Runs `body` and makes all its changes permanent in the right order; throws what `body` throws, with nothing changed
  /// that can be reached.
  func transaction<Result>(_ body: () throws -> Result) throws -> Result

  /// Runs `body`, whose transactions may be made permanent several at a time and at its end at the latest; a transaction's
  /// body may be run twice then, the first time without effect.
  ///
  /// With a journal a power cut leaves the first of them, each whole. Without one it may leave some files that the group
  /// has added and not others, each as it was at some time, and takes nothing away that was there.
  ///
  /// What throws out of `body` leaves the transactions before it done. A group within a group is a part of it.
  func group<Result>(_ body: () throws -> Result) throws -> Result

  /// Marks the volume as clean again after the last transaction and waits until everything is on the medium; does
  /// nothing where there was no transaction.
  func finish() throws

  /// Makes a file, directory, device, fifo or socket called `name`, which must not exist; owner, permissions, times and
  /// device numbers come from `attributes`, and `changed` and `created` are now where it does not say them.
  func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID
  /// Makes a symbolic link.
  func createSymbolicLink(
    _ name: FileName, to target: FileName, in directory: FileID, attributes: FileAttributes
  ) throws -> FileID
  /// Makes another name for a file that is no directory.
  func link(_ file: FileID, as name: FileName, in directory: FileID) throws
  /// Takes a name away; the file goes with its last name. A directory must be empty.
  func remove(_ name: FileName, from directory: FileID) throws
  /// Gives a file another name or place, replacing what is there as rename(2) does; a directory does not go below itself.
  /// Returns the file's new identity.
  func rename(
    _ name: FileName, in directory: FileID, to newName: FileName, in newDirectory: FileID
  ) throws -> FileID

  /// Gives a regular file new contents, holes kept where the volume has them; owner, permissions, links and extended
  /// attributes stay, the times become now. The old contents' space is not used again before the transaction is over.
  func replaceContents(of file: FileID, with contents: any FileContents) throws
  /// Writes `contents` behind the end of a regular file.
  func append(_ contents: any FileContents, to file: FileID) throws
  /// Cuts a regular file or lengthens it by a hole (by zeroes where the volume has no holes).
  func truncate(_ file: FileID, to byteCount: UInt64) throws
  /// Sets permissions, owner, group and times; size, kind and link count are left alone. What the volume does not keep
  /// (an owner on FAT) is `FileError.unsupported` if it differs from what `attributes(of:)` tells.
  func setAttributes(_ attributes: FileAttributes, of file: FileID) throws
  /// Sets an extended attribute, or takes it away for nil; an ACL is given as setxattr(2) takes it.
  func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws
}

extension WritableFilesystem {
  /// Each transaction by itself.
  package func group<Result>(_ body: () throws -> Result) throws -> Result { try body() }
}
