import BlockIO
import Bytes
import Filesystems

extension Changes {
  /// Maps a new block behind the last one of a directory that lies in blocks, and makes the directory as much larger.
  ///
  /// The block is staged as zeroes; the caller fills it by `edit` and writes `record`.
  func growDirectory(_ record: inout InodeRecord) throws -> (number: UInt64, block: UInt64) {
    let number = record.size >> UInt64(superblock.blockBits)
    guard number < UInt64(UInt32.max) >> UInt64(superblock.blockBits) || record.hasLongSize else {
      throw FileError(.directoryFull, "directory \(record.number)")
    }
    var map = MapEditor(record, self)
    let runs = try map.grow(from: number, count: 1)
    guard let block = runs.first?.lowerBound else { throw FileError(.noSpace, "the volume") }
    record = map.record
    record.size = (number + 1) << UInt64(superblock.blockBits)
    try make(block) { _ in }
    return (number, block)
  }
}
