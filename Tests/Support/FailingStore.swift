package import BlockIO
import Filesystems
import Threads

/// A store whose writes fail, from one of them on and with the flushes behind it, until it is mended.
package final class FailingStore: BlockSource, BlockTarget {
  package struct Failure: Error {}

  private struct Plan {
    /// Writes that still succeed, then those that fail.
    var good = Int.max
    var bad = Int.max
    /// Whether a write has failed, and flushes do too.
    var isBroken = false
    /// Writes that were tried.
    var tried = 0
  }

  private let base: any BlockStore
  private let plan = Monitor(Plan())

  /// Lets all writes to `base` succeed until `fail` says otherwise.
  package init(_ base: any BlockStore) { self.base = base }

  /// From now on `good` writes succeed, then `bad` fail; those behind them succeed again.
  package func fail(after good: Int, count bad: Int = .max) {
    plan.update { ($0.good, $0.bad, $0.isBroken) = (good, bad, false) }
  }

  /// From now on all writes succeed.
  package func mend() { fail(after: .max) }

  /// How many writes were tried, whether they failed or not.
  package var writeCount: Int { plan.update { $0.tried } }

  package var byteCount: UInt64 { (base as any BlockTarget).byteCount }
  package var sectorSize: Int { base.sectorSize }
  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent { try base.extent(at: offset, limit: limit) }
  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try base.read(at: offset, into: &buffer)
  }
  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try base.readBack(at: offset, into: &buffer)
  }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    try plan.update { plan in
      plan.tried += 1
      guard plan.good == 0 else { return plan.good -= 1 }
      plan.bad -= 1
      plan.isBroken = plan.bad > 0
      if !plan.isBroken { plan.good = .max }
      throw Failure()
    }
    try base.write(bytes, at: offset)
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try forEachZeroPiece(at: offset, count: count) { try write($0, at: $1) }
  }

  package func flush() throws {
    guard plan.update({ !$0.isBroken }) else { throw Failure() }
    try base.flush()
  }
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
      let store = FailingStore(disk)
      store.fail(after: writes, count: 1)
      let volume = try Self.open(store, isRehearsal: false)
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
