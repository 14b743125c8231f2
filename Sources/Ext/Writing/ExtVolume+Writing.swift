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

  package func requireWritable() throws {
    let writing = try requireWriting()
    try writing.commit.requireIntact()
    // The marks of a change that has begun are its own.
    guard !writing.commit.isMarked else { return }
    try WritingRefusals(blocks, sourceByteCount: sourceByteCount).check()
    try writing.commit.requireWritable()
  }

  package func transaction<Result>(_ body: () throws -> Result) throws -> Result {
    let writing = try requireWriting()
    if !writing.transactions.isWaiting { try requireWritable() }
    defer { counts = nil }
    return try writing.transactions.run(body)
  }

  package func group<Result>(_ body: () throws -> Result) throws -> Result {
    try requireWriting().transactions.group(body)
  }

  package func finish() throws { try requireWriting().transactions.finish() }

  package func replaceContents(of file: FileID, with contents: any FileContents) throws {
    var editor = try ContentsEditor(file.number, changes)
    try editor.replace(with: contents)
  }

  package func append(_ contents: any FileContents, to file: FileID) throws {
    var editor = try ContentsEditor(file.number, changes)
    try editor.append(contents)
  }

  package func truncate(_ file: FileID, to byteCount: UInt64) throws {
    var editor = try ContentsEditor(file.number, changes)
    try editor.truncate(to: byteCount)
  }

  package func setAttributes(_ attributes: FileAttributes, of file: FileID) throws {
    let changes = try changes
    var record = try changes.record(file.number)
    let mode = record.mode & 0xf000 | attributes.permissions & 0xfff
    if mode != record.mode {
      record.mode = mode
      record = try changes.withAccessList(of: record, following: mode)
    }
    (record.owner, record.group) = (attributes.owner, attributes.group)
    record.setTimes(of: attributes, now: changes.now)
    try changes.write(record)
  }

  package func setExtendedAttribute(_ name: FileName, to value: [UInt8]?, of file: FileID) throws {
    let changes = try changes
    var record = try changes.record(file.number)
    record = try changes.setting(name, to: value, of: record)
    record.setChanged(changes.now)
    try changes.write(record)
  }
}
