package import BlockIO
import Filesystems
import Threads

/// A disk in memory one write to which fails.
package final class FailingStore: BlockSource, BlockTarget {
  package struct Failure: Error {}

  private let disk: MemoryDisk
  private let left: Monitor<Int>

  /// The write behind the first `writes` fails.
  package init(_ disk: MemoryDisk, after writes: Int) {
    self.disk = disk
    left = Monitor(writes)
  }

  package var byteCount: UInt64 { disk.byteCount }
  package var sectorSize: Int { disk.sectorSize }
  package func extent(at offset: UInt64, limit: UInt64) -> Extent { disk.extent(at: offset, limit: limit) }
  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) { disk.read(at: offset, into: &buffer) }
  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) { disk.read(at: offset, into: &buffer) }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    let isFine = left.update { left in
      left -= 1
      return left != -1
    }
    guard isFine else { throw Failure() }
    disk.write(bytes, at: offset)
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try forEachZeroPiece(at: offset, count: count) { try write($0, at: $1) }
  }

  package func flush() {}
}

extension ChangedVolume {
  /// Has each write fail, one at a time, while files are made, changed and removed; a driver whose changes
  /// have reached it in part must write nothing more, and say so.
  ///
  /// Returns how often that was so, and what is wrong, a sentence each.
  package func failAfterEachWrite() throws -> (count: Int, wrong: [String]) {
    let base = try MemoryDisk(contentsOf: path)
    var wrong: [String] = []
    var count = 0
    for writes in 0..<200 {
      let disk = MemoryDisk(base.contents)
      let volume = try Self.open(FailingStore(disk, after: writes), isRehearsal: false)
      do {
        let file = try volume.make("a file with a long name", Array(repeating: 1, count: 3000))
        try volume.makeDirectory("directory")
        try volume.transaction { try volume.replaceContents(of: file, with: BytesContents([2])) }
        try volume.transaction { try volume.remove("a file with a long name", from: volume.root) }
        try volume.finish()
        return (count, wrong)
      } catch is FailingStore.Failure {}
      let left = disk.contents
      do {
        try volume.requireWritable()
      } catch let error as ImageError {
        count += 1
        if !error.description.contains("failed midway") { wrong.append("after \(writes) writes: \(error)") }
        _ = try? volume.make("more", [])
        _ = try? volume.finish()
        if disk.contents != left { wrong.append("after \(writes) writes it wrote on") }
      }
    }
    return (count, wrong + ["it never came to an end"])
  }
}
