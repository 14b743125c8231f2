/// A range of a disk as a disk of its own, such as a partition.
package struct Window<Disk: Sendable>: Sendable {
  package let disk: Disk
  /// First byte on the disk.
  package let start: UInt64
  package let byteCount: UInt64

  /// The `byteCount` bytes of `disk` from `start`; the range must lie inside it.
  package init(of disk: Disk, start: UInt64, byteCount: UInt64) {
    self.disk = disk
    self.start = start
    self.byteCount = byteCount
  }
}

extension Window: ExtentMap, BlockSource where Disk == any BlockSource {
  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    var found = try disk.extent(at: start + offset, limit: start + limit)
    found.offset -= start
    return found
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try disk.read(at: start + offset, into: &buffer)
  }

  package func stored(at offset: UInt64, limit: UInt64) throws -> StoredRange? {
    try disk.stored(at: start + offset, limit: start + limit)
  }
}

extension Window: BlockTarget where Disk == any BlockTarget {
  package var sectorSize: Int { disk.sectorSize }
  package var isKnownZero: Bool { disk.isKnownZero }
  package func write(_ bytes: RawSpan, at offset: UInt64) throws { try disk.write(bytes, at: start + offset) }
  package func takesPages(_ range: Range<UInt64>) -> Bool {
    disk.takesPages((start + range.lowerBound)..<(start + range.upperBound))
  }
  package func write(_ pages: PagePipe, at offset: UInt64) throws -> Bool { try disk.write(pages, at: start + offset) }
  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try disk.writeZeroes(at: start + offset, count: count)
  }
  package func discard(at offset: UInt64, count: UInt64) throws { try disk.discard(at: start + offset, count: count) }
  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try disk.readBack(at: start + offset, into: &buffer)
  }
  package func nextStored(at offset: UInt64, limit: UInt64) -> UInt64 {
    disk.nextStored(at: start + offset, limit: start + limit) - start
  }
  package func flush() throws { try disk.flush() }
}
