import BlockIO
import Bytes
import Filesystems

/// Changes the entries of one directory.
struct DirectoryEditor {
  private let number: UInt32
  private let changes: Changes

  /// Edits the directory in the inode `number`.
  init(_ number: UInt32, _ changes: Changes) {
    self.number = number
    self.changes = changes
  }

  /// Adds an entry, whose name is known not to be there.
  func insert(_ name: FileName, inode: UInt32, kind: FileKind) throws {
    throw FileError(.directoryFull, name.description)
  }

  /// Takes an entry away and returns its inode's number.
  @discardableResult
  func remove(_ name: FileName) throws -> UInt32 { throw FileError(.notFound, name.description) }

  /// Lets an entry that is there point to another inode.
  func replace(_ name: FileName, inode: UInt32, kind: FileKind) throws {
    throw FileError(.notFound, name.description)
  }

  /// Lets `..` point to another directory.
  func setParent(_ parent: UInt32) throws {}

  /// Whether there is nothing but `.` and `..`.
  func isEmpty() throws -> Bool { false }

  /// Gives a new directory, whose inode is otherwise filled, its `.` and `..`, and writes its inode.
  static func initialise(_ record: inout InodeRecord, parent: UInt32, _ changes: Changes) throws {}
}
