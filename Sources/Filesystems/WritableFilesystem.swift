import Bytes

/// A volume whose files can be changed.
///
/// Changes gather in memory and reach the volume in `transaction(_:)`: whole, or after a power cut not at all (with a
/// journal), or so that the volume's checker loses nothing but them (without one). A change that fails leaves the volume
/// as it was before its transaction.
package protocol WritableFilesystem: Filesystem {
  /// Throws `ImageError` of kind `unsupported`, by the feature's name, where the volume uses something that only reading
  /// supports; nothing is written by asking.
  func requireWritable() throws

  /// Runs `body` and makes all its changes permanent in the right order; throws what `body` throws, with nothing changed.
  func transaction<Result>(_ body: () throws -> Result) throws -> Result

  /// Makes a file, directory, device, fifo or socket called `name`, which must not exist; owner, mode, times and device
  /// numbers come from `attributes`.
  func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID
  /// Makes a symbolic link.
  func createSymbolicLink(
    _ name: FileName, to target: FileName, in directory: FileID, attributes: FileAttributes
  ) throws -> FileID
  /// Makes another name for a file that is no directory.
  func link(_ file: FileID, as name: FileName, in directory: FileID) throws
  /// Takes a name away; the file goes with its last name. A directory must be empty.
  func remove(_ name: FileName, from directory: FileID) throws
  /// Gives a file another name or place, replacing what is there as rename(2) does. Returns the file's new identity.
  func rename(
    _ name: FileName, in directory: FileID, to newName: FileName, in newDirectory: FileID
  ) throws -> FileID

  /// Writes `bytes` at `offset` of a regular file, which grows where needed.
  func write(_ bytes: RawSpan, to file: FileID, at offset: UInt64) throws
  /// Cuts a regular file or lengthens it by a hole (by zeroes where the volume has no holes).
  func truncate(_ file: FileID, to byteCount: UInt64) throws
  /// Sets permissions, owner, group and times; size, kind and link count are left alone.
  func setAttributes(_ attributes: FileAttributes, of file: FileID) throws
  /// Sets an extended attribute, or takes it away for nil.
  func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws
}
