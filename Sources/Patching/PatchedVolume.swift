import BlockIO
import Filesystems

/// A volume whose files are changed, or in a rehearsal seem to be.
final class PatchedVolume {
  /// The partition's number; nil where the whole disk is one volume.
  let number: Int?
  /// The volume's name for messages: `disk.img:2`.
  let name: String
  let type: FilesystemType
  let filesystem: any WritableFilesystem
  private let store: any BlockStore
  /// What was changed in it.
  let changes: ChangeLog
  private(set) var isTouched = false

  /// Opens the volume in `store`; nothing is written by that.
  ///
  /// Throws `ImageError` where there is no driver that writes.
  init(_ store: any BlockStore, number: Int?, name: String, type: FilesystemType, isRehearsal: Bool) throws {
    guard let open = type.openForWriting else {
      throw ImageError(.unsupported, format: type.name, file: name, "files in this filesystem cannot be changed here")
    }
    do { filesystem = try open(store, isRehearsal) } catch var error as ImageError {
      if error.file == nil { error.file = name }
      throw error
    }
    changes = ChangeLog(ignoresCase: filesystem.ignoresCase)
    self.store = store
    self.number = number
    self.name = name
    self.type = type
  }

  /// Refuses by its name what writing does not support, before the first change.
  func touch() throws {
    guard !isTouched else { return }
    do { try filesystem.requireWritable() } catch var error as ImageError {
      if error.file == nil { error.file = name }
      throw error
    }
    isTouched = true
  }

  /// Marks the volume as clean again.
  func finish() throws { if isTouched { try filesystem.finish() } }

  /// The volume as the medium holds it now, for reading.
  func reopened() throws -> any Filesystem { try type.open(store) }
}
