import BlockIO
import Bytes

/// Reads strips of a partclone image at random and checks them.
struct StripLoader: Sendable {
  let file: any BlockSource
  let header: PartcloneHeader
  let layout: PartcloneLayout
  /// Stored blocks to a window, a multiple of the blocks to a strip.
  let windowBlocks: UInt64
  let verifies: Bool
  let blocks: StoredBlocks
  let errors: BackupErrors

  /// Fills a window with all its strips and their checksums as they lie in the file, and checks them.
  func load(_ window: StripCache.Window) throws {
    let first = window.index * windowBlocks
    let count = min(windowBlocks, layout.storedBlocks - first)
    let start = layout.offset(ofStored: first)
    let end = first + count == layout.storedBlocks ? layout.end : layout.offset(ofStored: first + count)
    try window.bytes.fill(0, Int(end - start)) { bytes in try file.read(at: start, into: &bytes) }
    guard verifies else { return }
    var place = 0
    var stored = first
    while stored < first + count {
      let strip = layout.stripBlocks(at: stored)
      let size = Int(strip * layout.blockSize)
      try window.bytes.withSlice(place, size + Int(layout.checksumSize)) { bytes in
        let checksum = bytes.slice(size, Int(layout.checksumSize))
        try check(bytes.slice(0, size), checksum, first: stored, count: strip)
      }
      place += size + Int(layout.checksumSize)
      stored += strip
    }
  }

  /// Reads strip `index`, all of it, and checks it.
  func readStrip(_ index: UInt64, into buffer: inout MutableRawSpan) throws {
    let first = index * layout.blocksPerStrip
    let start = layout.offset(ofStored: first)
    try file.read(at: start, into: &buffer)
    guard verifies else { return }
    var checksum = Buffer(count: Int(layout.checksumSize))
    var span = checksum.mutablePrefix(checksum.count)
    try file.read(at: start + UInt64(buffer.byteCount), into: &span)
    try check(buffer.bytes, checksum.prefix(checksum.count), first: first, count: layout.stripBlocks(at: first))
  }

  private func check(_ data: RawSpan, _ checksum: RawSpan, first: UInt64, count: UInt64) throws(ImageError) {
    let stored = header.checksum.load(checksum, header.order)
    let computed = header.checksum.of(data)
    guard stored != computed else { return }
    let start = blocks.block(ofStored: first) * layout.blockSize
    let end = (blocks.block(ofStored: first + count - 1) + 1) * layout.blockSize
    throw errors.damagedStrip(
      layout.offset(ofStored: first), target: start..<end, blocks: count, stored: stored, computed: computed)
  }
}

extension BackupErrors {
  /// A checksum that contradicts the blocks it covers; `image` is where they start.
  func damagedStrip(
    _ image: UInt64, target: Range<UInt64>, blocks: UInt64, stored: PartcloneChecksum.Value,
    computed: PartcloneChecksum.Value
  ) -> ImageError {
    damaged(
      "the checksum of \(blocks) blocks, which belong between target offsets \(target.lowerBound.hex) and"
        + " \(target.upperBound.hex), is \(stored) and their bytes give \(computed); copy the image again or go on"
        + " with --rescue", image: image, target: target.lowerBound)
  }
}
