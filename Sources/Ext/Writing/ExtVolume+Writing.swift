import BlockIO
import Bytes
package import Filesystems

extension ExtVolume: WritableFilesystem {
  /// What is needed for changing the volume; throws where it was opened for reading.
  func requireWriting() throws -> Writing {
    guard let writing else {
      throw ImageError(.refused, format: type, "the volume was opened for reading only")
    }
    return writing
  }

  /// The open transaction's changes.
  var changes: Changes {
    get throws {
      let changes = try requireWriting().changes
      guard changes.isOpen else { throw ImageError(.refused, format: type, "no transaction is open") }
      return changes
    }
  }

  package func requireWritable() throws { _ = try requireWriting() }

  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    try requireWritable()
    let writing = try requireWriting()
    try writing.changes.begin()
    do {
      let result = try body()
      try writing.changes.seal()
      try writing.commit.commit()
      writing.changes.end()
      counts = nil
      return result
    } catch {
      writing.changes.giveUp()
      throw error
    }
  }

  package func finish() throws { try requireWriting().commit.finish() }

  package func create(_ name: FileName, in directory: FileID, attributes: FileAttributes) throws -> FileID {
    throw FileError(.unsupported("not yet"), name.description)
  }
  package func createSymbolicLink(
    _ name: FileName, to target: FileName, in directory: FileID, attributes: FileAttributes
  ) throws -> FileID {
    throw FileError(.unsupported("not yet"), name.description)
  }
  package func link(_ file: FileID, as name: FileName, in directory: FileID) throws {}
  package func remove(_ name: FileName, from directory: FileID) throws {}
  package func rename(
    _ name: FileName, in directory: FileID, to newName: FileName, in newDirectory: FileID
  ) throws -> FileID {
    throw FileError(.unsupported("not yet"), name.description)
  }
  package func replaceContents(of file: FileID, with contents: any FileContents) throws {}
  package func append(_ contents: any FileContents, to file: FileID) throws {}
  package func truncate(_ file: FileID, to byteCount: UInt64) throws {}
  package func setAttributes(_ attributes: FileAttributes, of file: FileID) throws {}
  package func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws {}
}
