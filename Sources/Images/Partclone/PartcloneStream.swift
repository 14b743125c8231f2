package import BlockIO
import Bytes

/// A partclone image read front to back.
///
/// No byte is given out before the checksum after it has been compared: strips that fit go straight into the caller's
/// memory, others are held back up to ``longestHeld``; longer ones are given out unchecked, and damage shows at their
/// end (a warning says so when the image is opened).
package final class PartcloneStream: ExtentStream {
  /// The longest strip that is held back until it has been checked, in bytes.
  package static let longestHeld: UInt64 = 32 << 20
  /// How much of the partition's start is kept to rebuild the backup boot sector from, in bytes.
  private static let bootSize = 4096

  private let opening: PartcloneOpening
  private var strips: StripReader?
  private var blocks: BackupMap?
  /// Next byte of the partition to give out.
  private var position: UInt64 = 0
  /// A strip that was held back, and what of it has not been given out.
  private var held = Buffer(count: 0)
  private var heldRange = 0..<0
  /// The partition's first bytes; nil once the boot sector is decided on.
  private var boot: [UInt8]?
  private var isFinished = false

  init(_ opening: PartcloneOpening) {
    self.opening = opening
    boot = opening.rebuildsBootSector ? [] : nil
  }

  package var byteCount: UInt64? { opening.header.deviceSize }

  /// Which blocks were stored, and the rebuilt boot sector; nil before the end.
  package var map: (any ExtentMap)? { isFinished ? blocks : nil }

  /// The next extent; data as far as verified; throws `ImageError` where the image is damaged.
  package func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    let strips = try prepared()
    while position < opening.header.deviceSize {
      decideOnBootSector()
      guard let map = blocks else { return nil }
      // Data are looked for no further than they can be given out, so that a long run is not walked for each piece.
      let isData = map.blocks.isStored(position / map.blocks.blockSize)
      let reach = isData ? position.adding(UInt64(buffer.byteCount)) ?? .max : .max
      let found = map.extent(at: position, limit: min(reach, map.byteCount))
      guard found.kind == .data else {
        position = found.end
        return found
      }
      var part = buffer.mutableSlice(0, Int(min(found.length, UInt64(buffer.byteCount))))
      let count: Int
      if let index = map.bootSectorIndex(at: position), let sector = map.bootSector {
        let bytes = sector.bytes
        unsafe part.copy(bytes.span.bytes.slice(index, part.byteCount), at: 0)
        count = part.byteCount
      } else {
        count = try fill(&part, strips)
      }
      if let end = strips.truncation { blocks?.dataEnd = end }
      guard count > 0 else { continue }
      keepBoot(part.bytes.slice(0, count))
      defer { position += UInt64(count) }
      return Extent(.data, offset: position, length: UInt64(count))
    }
    try finish()
    return nil
  }

  /// Puts as much of the data at `position` into `buffer` as is checked; nothing only past a damaged end.
  private func fill(_ buffer: inout MutableRawSpan, _ strips: StripReader) throws -> Int {
    if !heldRange.isEmpty { return give(&buffer) }
    guard strips.verifies, strips.stripSize <= Self.longestHeld else { return try strips.readPieces(into: &buffer) }
    var done = 0
    while opening.damage == nil, strips.stripSize > 0, Int(strips.stripSize) <= buffer.byteCount - done {
      var strip = buffer.mutableSlice(done, Int(strips.stripSize))
      do { done += try strips.readStrip(into: &strip) } catch {
        // What was checked before the damage is given out first.
        guard done > 0 else { throw error }
        failure = error
        return done
      }
    }
    if done > 0 { return done }
    let size = Int(strips.stripSize)
    if held.count < size { held = Buffer(count: size) }
    heldRange = 0..<(try held.fill(0, size) { strip in try strips.readStrip(into: &strip) })
    return give(&buffer)
  }

  /// Gives out what is held back, as much as fits.
  private func give(_ buffer: inout MutableRawSpan) -> Int {
    let count = min(heldRange.count, buffer.byteCount)
    buffer.copy(held.slice(heldRange.lowerBound, count), at: 0)
    heldRange = (heldRange.lowerBound + count)..<heldRange.upperBound
    return count
  }

  /// An error that ends the stream, once what comes before it has been given out.
  private var failure: (any Error)?

  /// Reads the bitmap at the first call, and throws what ended the stream.
  private func prepared() throws -> StripReader {
    if let failure { throw failure }
    if let strips { return strips }
    do {
      let stored = try opening.storedBlocks()
      let layout = try opening.layout(of: stored)
      let strips = try StripReader(
        opening.reader, header: opening.header, layout: layout, blocks: stored, verifies: opening.verifies,
        damage: opening.damage, errors: opening.errors)
      blocks = BackupMap(blocks: stored, byteCount: opening.header.deviceSize)
      self.strips = strips
      return strips
    } catch {
      failure = error
      throw error
    }
  }

  /// Checks that nothing follows the image.
  private func finish() throws {
    guard !isFinished else { return }
    let end = opening.reader.offset
    if try opening.reader.peek(1, { $0.byteCount }) > 0 {
      guard let damage = opening.damage else {
        throw opening.errors.damaged(
          "bytes follow the end of the image; it is damaged, or two files are joined", image: end, target: position)
      }
      damage.add("bytes follow the end of the image", image: end..<(end + 1), target: nil)
    }
    isFinished = true
  }

  private func keepBoot(_ bytes: RawSpan) {
    guard let kept = boot?.count, UInt64(kept) == position, kept < Self.bootSize else { return }
    boot?.append(contentsOf: bytes.slice(0, min(bytes.byteCount, Self.bootSize - kept)).array)
  }

  /// Once the partition's start has passed by, finds the place of the backup boot sector.
  private func decideOnBootSector() {
    guard let boot, position >= UInt64(min(Self.bootSize, opening.header.blockSize)) else { return }
    if let sector = unsafe NTFSBootSector(start: boot.span.bytes, deviceSize: opening.header.deviceSize),
      sector.offset >= position
    {
      blocks?.add(sector)
    }
    self.boot = nil
  }
}
