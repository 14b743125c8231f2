package import BlockIO
import Bytes
import Threads

/// A volume with the changes of one transaction laid over it: reads see them, the volume gets them when its driver says so.
///
/// Metadata is staged; a file's new contents, which lie where nothing is reachable yet, go straight to the volume.
package final class StagedVolume: BlockSource {
  private let store: any BlockStore
  private let staged = Monitor<[UInt64: [UInt8]]>([:])
  /// Size in bytes of the pieces in which changes are staged and written: the driver's block or sector.
  package let unit: Int
  /// Whether contents of files are neither read nor written, so that only space, names and types are tried.
  package let isRehearsal: Bool

  /// Lays nothing yet over `store`, which takes writes of any range.
  package init(_ store: any BlockStore, unit: Int, isRehearsal: Bool) {
    self.store = store
    self.unit = unit
    self.isRehearsal = isRehearsal
  }

  package var byteCount: UInt64 { (store as any BlockSource).byteCount }

  /// How many units are staged.
  package var stagedCount: Int { staged.update { $0.count } }

  package func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    guard staged.update({ !$0.isEmpty }) else { return try store.extent(at: offset, limit: limit) }
    return Extent(.data, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    guard staged.update({ !$0.isEmpty }) else { return try store.read(at: offset, into: &buffer) }
    var done = 0
    while done < buffer.byteCount {
      let (number, inUnit, count) = piece(at: offset + UInt64(done), of: buffer.byteCount - done)
      if let bytes = staged.update({ $0[number] }) {
        var place = buffer.mutableSlice(done, count)
        // Safe: every byte of the array is initialised.
        place.copy(unsafe bytes.span.bytes.slice(inUnit, count), at: 0)
        done += count
        continue
      }
      // What is not staged up to the next unit that is, at once.
      let start = done
      done += count
      while done < buffer.byteCount {
        let next = piece(at: offset + UInt64(done), of: buffer.byteCount - done)
        if staged.update({ $0[next.number] != nil }) { break }
        done += next.count
      }
      var place = buffer.mutableSlice(start, done - start)
      try store.read(at: offset + UInt64(start), into: &place)
    }
  }

  /// The unit that holds `offset`, where in it that lies, and how many of `count` bytes are in it.
  private func piece(at offset: UInt64, of count: Int) -> (number: UInt64, inUnit: Int, count: Int) {
    let inUnit = Int(offset % UInt64(unit))
    return (offset / UInt64(unit), inUnit, min(count, unit - inUnit))
  }

  /// Changes the `count` bytes at `offset`, which must lie inside the volume, in memory.
  package func stage(_ bytes: RawSpan, at offset: UInt64) throws {
    var done = 0
    while done < bytes.byteCount {
      let (number, inUnit, count) = piece(at: offset + UInt64(done), of: bytes.byteCount - done)
      var contents = try count == unit ? [UInt8](repeating: 0, count: unit) : self.contents(of: number)
      contents.replaceSubrange(inUnit..<(inUnit + count), with: bytes.slice(done, count).array)
      let kept = contents
      staged.update { $0[number] = kept }
      done += count
    }
  }

  /// Changes the unit at `offset`, a multiple of `unit` inside the volume, in memory; it starts as zeroes if it `isNew`.
  package func change<Result>(
    at offset: UInt64, isNew: Bool = false, _ body: (inout MutableRawSpan) throws -> Result
  ) throws -> Result {
    let number = offset / UInt64(unit)
    var bytes =
      try isNew
      ? [UInt8](repeating: 0, count: unit)
      : staged.update { $0.removeValue(forKey: number) } ?? contents(of: number)
    defer {
      let kept = bytes
      staged.update { $0[number] = kept }
    }
    var span = bytes.mutableSpan
    // Safe: every byte of the array is initialised.
    var raw = unsafe span.mutableBytes
    return try body(&raw)
  }

  /// Forgets the staged unit at `offset`, which then reads as it was before.
  package func forget(at offset: UInt64) { staged.update { $0[offset / UInt64(unit)] = nil } }

  /// Makes the `count` bytes at `offset` zeroes in memory; both are multiples of `unit`.
  package func stageZeroes(at offset: UInt64, count: UInt64) {
    // One array for all units, which costs memory once.
    let zeroes = [UInt8](repeating: 0, count: unit)
    let first = offset / UInt64(unit)
    staged.update { staged in for number in first..<(first + count / UInt64(unit)) { staged[number] = zeroes } }
  }

  /// A unit as reads see it.
  private func contents(of number: UInt64) throws -> [UInt8] {
    if let bytes = staged.update({ $0[number] }) { return bytes }
    let start = number * UInt64(unit)
    var buffer = Buffer(zeroes: unit)
    var span = buffer.mutablePrefix(Int(min(UInt64(unit), byteCount - start)))
    try store.read(at: start, into: &span)
    return buffer.prefix(unit).array
  }

  /// The offsets of the staged units, ascending.
  package var offsets: [UInt64] { staged.update { $0.keys.sorted() }.map { $0 * UInt64(unit) } }

  /// The staged unit at `offset`; nil where it is not staged.
  package func staged(at offset: UInt64) -> [UInt8]? { staged.update { $0[offset / UInt64(unit)] } }

  /// Writes the staged units at `offsets` (ascending) to the volume, neighbours in one write, and forgets them.
  package func write(_ offsets: [UInt64]) throws {
    var run: (start: UInt64, bytes: [UInt8])?
    for offset in offsets {
      guard let bytes = staged(at: offset) else { continue }
      if let last = run, last.start + UInt64(last.bytes.count) == offset, last.bytes.count + unit <= 1 << 20 {
        run?.bytes += bytes
      } else {
        if let last = run { try write(last.bytes, at: last.start) }
        run = (offset, bytes)
      }
    }
    if let last = run { try write(last.bytes, at: last.start) }
    let written = offsets.map { $0 / UInt64(unit) }
    staged.update { staged in for number in written { staged[number] = nil } }
  }

  private func write(_ bytes: [UInt8], at offset: UInt64) throws {
    let count = Int(min(UInt64(bytes.count), byteCount - offset))
    // Safe: every byte of the array is initialised.
    try store.write(unsafe bytes.span.bytes.slice(0, count), at: offset)
  }

  /// Writes to the volume what is not staged: a journal's log, or contents that nothing refers to yet.
  package func writeThrough(_ bytes: RawSpan, at offset: UInt64) throws { try store.write(bytes, at: offset) }

  /// Writes a file's contents to the volume; nothing in a rehearsal.
  package func writeContents(_ bytes: RawSpan, at offset: UInt64) throws {
    if !isRehearsal { try store.write(bytes, at: offset) }
  }

  /// What is staged at one moment.
  package struct Snapshot: Sendable { fileprivate let staged: [UInt64: [UInt8]] }

  /// Remembers what is staged now.
  package func snapshot() -> Snapshot { Snapshot(staged: staged.update { $0 }) }

  /// Takes back all that was staged since `before`.
  package func restore(_ before: Snapshot) { staged.update { $0 = before.staged } }

  /// Forgets all that is staged.
  package func drop() { staged.update { $0 = [:] } }

  /// Waits until all that was written is on the medium.
  package func flush() throws { try store.flush() }
}
