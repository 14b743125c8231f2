package import BlockIO
import Bytes

/// Where a backup's data lie on the partition: its stored blocks, and a boot sector added to them.
package struct BackupMap: ExtentMap {
  package let blocks: StoredBlocks
  /// The partition's size in bytes; what lies behind the last block is unused.
  package let byteCount: UInt64
  /// NTFS's backup boot sector, where the image leaves it out.
  package var bootSector: NTFSBootSector?
  /// Where the data end early because the image does, in bytes.
  package var dataEnd: UInt64 = .max

  package init(blocks: StoredBlocks, byteCount: UInt64, bootSector: NTFSBootSector? = nil) {
    self.blocks = blocks
    self.byteCount = byteCount
    self.bootSector = bootSector
  }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    var limit = min(limit, byteCount)
    if let bootSector, offset < bootSector.end, limit > bootSector.offset {
      guard offset < bootSector.offset else {
        return Extent(.data, offset: offset, length: min(limit, bootSector.end) - offset)
      }
      limit = bootSector.offset
    }
    if offset >= dataEnd { return Extent(.unused, offset: offset, length: limit - offset) }
    return blocks.extent(at: offset, limit: min(limit, dataEnd))
  }

  /// The part of the boot sector from `offset` on, if that lies inside it.
  package func bootSectorIndex(at offset: UInt64) -> Int? {
    guard let bootSector, offset >= bootSector.offset, offset < bootSector.end else { return nil }
    return Int(offset - bootSector.offset)
  }

  /// Fills `buffer` with the partition's bytes at `offset`, `stored` being asked for those that the image stores.
  package func read(
    at offset: UInt64, into buffer: inout MutableRawSpan,
    stored: (_ offset: UInt64, _ buffer: inout MutableRawSpan) throws -> Void
  ) throws {
    let end = offset + UInt64(buffer.byteCount)
    var position = offset
    while position < end {
      let found = extent(at: position, limit: end)
      var part = buffer.mutableSlice(Int(position - offset), Int(found.length))
      if let index = bootSectorIndex(at: position), let sector = bootSector {
        let bytes = sector.bytes
        unsafe part.copy(bytes.span.bytes.slice(index, part.byteCount), at: 0)
      } else if found.kind == .data {
        try stored(position, &part)
      } else {
        part.fillWithZeroes()
      }
      position = found.end
    }
  }

  /// The place of a stored byte of the partition among the bytes of all stored blocks.
  package func storedByte(at offset: UInt64) -> UInt64 {
    blocks.rank(offset / blocks.blockSize) * blocks.blockSize + offset % blocks.blockSize
  }

  /// Takes the boot sector in, unless the image stores the place it goes to.
  package mutating func add(_ sector: NTFSBootSector?) {
    guard let sector else { return }
    let isStored =
      blocks.isStored(sector.offset / blocks.blockSize) || blocks.isStored((sector.end - 1) / blocks.blockSize)
    if !isStored || sector.offset >= dataEnd { bootSector = sector }
  }
}
