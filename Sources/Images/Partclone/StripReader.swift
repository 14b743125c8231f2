import BlockIO
import Bytes

/// Reads a partclone image's stored blocks in order, stepping over the checksums between them and comparing them.
final class StripReader {
  let layout: PartcloneLayout
  private let reader: StreamReader
  private let header: PartcloneHeader
  private let blocks: StoredBlocks
  private let errors: BackupErrors
  private let damage: DamageLog?
  private let checksum: RunningChecksum
  /// Whether checksums are compared; ends where damage makes that impossible.
  private(set) var verifies: Bool
  /// The stored block that the strip under way, or the next one, starts with.
  private var first: UInt64 = 0
  /// Bytes left of the strip under way, if it is read piece by piece.
  private var rest: UInt64 = 0
  /// Where on the partition the data end because the image does, if that was passed over.
  private(set) var truncation: UInt64?

  /// Reads on from `reader`, which stands at the first block; damage goes to `damage`, or is thrown if nil.
  init(
    _ reader: StreamReader, header: PartcloneHeader, layout: PartcloneLayout, blocks: StoredBlocks, verifies: Bool,
    damage: DamageLog?, errors: BackupErrors
  ) throws(ImageError) {
    guard let checksum = RunningChecksum(header.checksum, blockSize: header.blockSize) else {
      throw errors.unsupported("there is no memory for a checksum", image: reader.offset)
    }
    self.checksum = checksum
    self.reader = reader
    self.header = header
    self.layout = layout
    self.blocks = blocks
    self.verifies = verifies
    self.damage = damage
    self.errors = errors
    // Long strips are read straight into place; reading ahead would only copy them.
    if layout.stripSize >= 64 << 10 || layout.blocksPerStrip == 0 { reader.readAhead = 0 }
  }

  /// Bytes of blocks in the next strip.
  var stripSize: UInt64 { layout.stripBlocks(at: first) * layout.blockSize }

  /// Fills `buffer` with the next whole strip, ``stripSize`` bytes, and checks it.
  ///
  /// Returns fewer bytes, in whole blocks, only after ``truncation``.
  func readStrip(into buffer: inout MutableRawSpan) throws -> Int {
    let count = try reader.read(into: &buffer)
    guard count == buffer.byteCount else {
      let whole = count.roundedDown(to: header.blockSize)
      try endEarly(after: UInt64(whole), lost: UInt64(count))
      return whole
    }
    if verifies { checksum.update(buffer.bytes) }
    try finishStrip()
    return count
  }

  /// Fills `buffer` with the next bytes of blocks; what is wrong with a strip shows at its end.
  ///
  /// Returns fewer bytes, in whole sectors of 512, only after ``truncation``.
  func readPieces(into buffer: inout MutableRawSpan) throws -> Int {
    var done = 0
    while done < buffer.byteCount {
      if rest == 0 { rest = stripSize }
      precondition(rest > 0, "no more is asked for than is stored")
      let before = stripSize - rest
      var part = buffer.mutableSlice(done, Int(min(rest, UInt64(buffer.byteCount - done))))
      let count = try reader.read(into: &part)
      guard count == part.byteCount else {
        let whole = count.roundedDown(to: 512)
        try endEarly(after: before + UInt64(whole), lost: before + UInt64(count))
        return done + whole
      }
      if verifies { checksum.update(part.bytes) }
      rest -= UInt64(count)
      done += count
      if rest == 0 { try finishStrip() }
    }
    return done
  }

  /// Reads and compares the checksum behind a strip.
  private func finishStrip() throws {
    let count = layout.stripBlocks(at: first)
    let begin = first
    guard layout.checksumSize > 0 else {
      first += count
      return
    }
    var bytes = Buffer(count: Int(layout.checksumSize))
    var span = bytes.mutablePrefix(bytes.count)
    guard try reader.read(into: &span) == bytes.count else {
      return try endEarly(after: count * layout.blockSize, lost: count * layout.blockSize)
    }
    first += count
    guard verifies else { return }
    let stored = header.checksum.load(bytes.prefix(bytes.count), header.order)
    let computed = checksum.value
    if header.reseeds { checksum.restart() }
    guard stored != computed else { return }
    guard let damage else {
      let target = blocks.block(ofStored: begin) * layout.blockSize
      let end = (blocks.block(ofStored: first - 1) + 1) * layout.blockSize
      throw errors.damagedStrip(
        layout.offset(ofStored: begin), target: target..<end, blocks: count, stored: stored, computed: computed)
    }
    note("the checksum is wrong", begin..<first, damage)
    guard !header.reseeds, !checksum.resume(from: stored) else { return }
    verifies = false
    note("the checksums cannot be followed past damage", first..<layout.storedBlocks, damage)
  }

  /// The image ends `whole` bytes of blocks into the strip under way, `lost` with a part of a sector or block.
  private func endEarly(after whole: UInt64, lost: UInt64) throws {
    let target = place(lost)
    let missing = layout.end - min(reader.offset, layout.end)
    guard let damage else {
      throw errors.damaged(
        "the image ends \(describeSize(missing)) too early; copy it again or go on with --rescue", image: reader.offset,
        target: target)
    }
    let start = place(whole)
    truncation = start
    let end = (blocks.block(ofStored: layout.storedBlocks - 1) + 1) * layout.blockSize
    damage.add("the image ends early", image: reader.offset..<layout.end, target: start..<max(start, end))
  }

  /// Where on the partition the byte `offset` of the strip under way belongs.
  private func place(_ offset: UInt64) -> UInt64 {
    let index = first + offset / layout.blockSize
    guard index < layout.storedBlocks else {
      return (blocks.block(ofStored: layout.storedBlocks - 1) + 1) * layout.blockSize
    }
    return blocks.block(ofStored: index) * layout.blockSize + offset % layout.blockSize
  }

  /// Notes stored blocks as damaged, one range for each run of them.
  private func note(_ cause: String, _ stored: Range<UInt64>, _ damage: DamageLog) {
    var index = stored.lowerBound
    var ranges = 0
    while index < stored.upperBound {
      let block = blocks.block(ofStored: index)
      let end = blocks.next(false, from: block, below: block + (stored.upperBound - index))
      let size = (end - block) * layout.blockSize
      let image = layout.offset(ofStored: index)
      damage.add(cause, image: image..<(image + size), target: (block * layout.blockSize)..<(end * layout.blockSize))
      index += end - block
      ranges += 1
    }
  }
}
