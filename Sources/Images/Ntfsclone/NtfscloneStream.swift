package import BlockIO
import Bytes

/// An ntfsclone image read front to back.
package final class NtfscloneStream: ExtentStream {
  private let opening: NtfscloneOpening
  private var grammar: NtfscloneGrammar
  /// Next byte of the partition to give out.
  private var position: UInt64 = 0
  /// Up to where, in bytes, the partition is known to be stored, or unused.
  private var dataEnd: UInt64 = 0
  private var unusedEnd: UInt64 = 0
  /// The clusters stored so far; nil before the first call.
  private var bits: StoredBits?
  private var boot: BootSectorWatch
  private var bootSector: NTFSBootSector?
  /// An error that ends the stream, once what comes before it has been given out.
  private var failure: (any Error)?
  private var isFinished = false
  private var truncation: UInt64?
  private var finalMap: BackupMap?

  /// A bitmap that a class can change.
  private final class StoredBits {
    var pages: Pages
    init(_ pages: consuming Pages) { self.pages = pages }

    func set(_ cluster: UInt64) { pages.setBits(from: cluster, count: 1) }

    /// Hands the bitmap over and keeps an empty one.
    func take() -> Pages? {
      guard var other = Pages(count: 0) else { return nil }
      swap(&other, &pages)
      return other
    }
  }

  init(_ opening: NtfscloneOpening) {
    self.opening = opening
    grammar = NtfscloneGrammar(header: opening.header, errors: opening.errors)
    boot = BootSectorWatch(isWanted: opening.options.fixesBootSector)
  }

  package var byteCount: UInt64? { opening.header.deviceSize }

  /// Which clusters were stored, and the rebuilt boot sector; nil before the end.
  package var map: (any ExtentMap)? { finalMap }

  package func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    if let failure { throw failure }
    do { return try advance(&buffer) } catch {
      failure = error
      throw error
    }
  }

  private func advance(_ buffer: inout MutableRawSpan) throws -> Extent? {
    if bits == nil { bits = StoredBits(try opening.emptyBitmap()) }
    while true {
      if position < unusedEnd { return giveUnused(&buffer) }
      if position >= dataEnd, !isFinished { try readRecord() }
      guard position >= dataEnd else { break }
      if position < unusedEnd { continue }
      if isFinished {
        try makeMap()
        return nil
      }
    }
    let start = position
    var done = 0
    while done < buffer.byteCount {
      if position >= dataEnd {
        do { try readRecord() } catch {
          failure = error
          break
        }
        if position >= dataEnd { break }
      }
      var part = buffer.mutableSlice(done, Int(min(dataEnd - position, UInt64(buffer.byteCount - done))))
      let isWhole: Bool
      do { isWhole = try fill(&part, &done) } catch {
        failure = error
        break
      }
      guard isWhole else { break }
    }
    guard done > 0 else {
      if let failure { throw failure }
      return try advance(&buffer)
    }
    return Extent(.data, offset: start, length: UInt64(done))
  }

  /// Reads stored bytes at `position`; false where the image ends inside them and that is passed over.
  private func fill(_ buffer: inout MutableRawSpan, _ done: inout Int) throws -> Bool {
    let offset = opening.reader.offset
    var count = try opening.reader.read(into: &buffer)
    let isWhole = count == buffer.byteCount
    if !isWhole {
      let error = grammar.endsEarly(at: offset + UInt64(count))
      guard let damage = opening.damage else { throw error }
      count = count.roundedDown(to: 512)
      let end = position + UInt64(count)
      truncation = end
      damage.add(
        grammar.cause(isCut: true),
        image: (offset + UInt64(count))..<max(opening.reader.offset, offset + UInt64(count) + 1),
        target: end..<opening.header.deviceSize)
      finish(at: end)
    }
    boot.pass(buffer.bytes.slice(0, count), at: position)
    position += UInt64(count)
    done += count
    if isWhole, position == dataEnd { grammar.pass(stored: 1) }
    return isWhole
  }

  /// Reads the next record, or finds the end.
  private func readRecord() throws {
    let reader = opening.reader
    let offset = reader.offset
    do {
      guard !grammar.isPastEnd else { return try end(at: offset) }
      let record = try reader.peek(NtfscloneRecord.gapSize) { [grammar] bytes in
        bytes.byteCount == 0
          ? Result<NtfscloneRecord?, ImageError>.success(nil)
          : Result { () throws(ImageError) in try grammar.parse(bytes, at: offset) }
      }.get()
      switch record {
      case nil:
        if let flaw = grammar.flaw(ofEndAt: offset) { throw flaw }
        try end(at: offset)
      case .next:
        _ = try reader.skip(1)
        bits?.set(grammar.cluster)
        dataEnd = position + UInt64(opening.header.storedSize(of: grammar.cluster))
      case .gap(let count):
        _ = try reader.skip(UInt64(NtfscloneRecord.gapSize))
        try grammar.pass(gap: count, at: offset)
        guard count > 0 else {
          throw opening.errors.unsupported(
            "the image holds metadata only, whose clusters are not in order: give it as an uncompressed file, not through"
              + " a pipe", image: offset)
        }
        decideOnBootSector()
        unusedEnd = grammar.target
      }
    } catch let error as ImageError where opening.damage != nil && error.kind == .damaged {
      // Nothing behind it can be put in its place.
      let size = opening.header.deviceSize
      let isCut = try reader.peek(NtfscloneRecord.gapSize) { $0.byteCount < NtfscloneRecord.gapSize }
      opening.damage?.add(
        grammar.cause(isCut: isCut), image: offset..<max(reader.offset, offset + 1),
        target: position < size ? position..<size : nil)
      finish(at: position)
    }
  }

  /// Checks that nothing follows the image, and leaves the rest of the partition unused.
  private func end(at offset: UInt64) throws {
    if try opening.reader.peek(1, { $0.byteCount }) > 0 { throw grammar.leftover(at: offset) }
    finish(at: position)
  }

  private func finish(at place: UInt64) {
    decideOnBootSector()
    isFinished = true
    dataEnd = place
    unusedEnd = opening.header.deviceSize
  }

  /// Gives out what is unused at `position`, or the boot sector that belongs there.
  private func giveUnused(_ buffer: inout MutableRawSpan) -> Extent {
    var end = unusedEnd
    let start = position
    if let sector = bootSector, start < sector.end, end > sector.offset {
      if start >= sector.offset {
        let bytes = sector.bytes
        let count = Int(min(sector.end, end) - start)
        let length = min(count, buffer.byteCount)
        unsafe buffer.copy(bytes.span.bytes.slice(Int(start - sector.offset), length), at: 0)
        position += UInt64(length)
        return Extent(.data, offset: start, length: UInt64(length))
      }
      end = sector.offset
    }
    position = end
    return Extent(.unused, offset: start, length: end - start)
  }

  /// Before the first cluster that is not stored, finds the place of the backup boot sector.
  private func decideOnBootSector() {
    bootSector = bootSector ?? boot.decide(deviceSize: opening.header.deviceSize)
  }

  /// Makes the map for reading the target again.
  private func makeMap() throws {
    guard finalMap == nil, let pages = bits?.take() else { return }
    let blocks = StoredBlocks(
      pages, total: opening.header.places, blockSize: UInt64(opening.header.clusterSize))
    var map = BackupMap(blocks: blocks, byteCount: opening.header.deviceSize)
    if let truncation { map.dataEnd = truncation }
    map.add(bootSector)
    finalMap = map
  }
}
