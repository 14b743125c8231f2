package import BlockIO
import Bytes

/// A partclone image in a seekable file, as the partition it was made from.
///
/// Blocks are numbered by the rank of their bit, so that no table of them is kept. With checksums that restart, no
/// byte is given out before its whole strip has been checked.
package final class PartcloneDisk: BlockSource {
  /// Bytes of blocks that are read, and kept for neighbouring extents, together; a strip longer than this is alone.
  static let windowGoal: UInt64 = 1 << 20
  /// How much is kept in memory with the windows in use, in bytes, but two windows at least.
  static let keptBytes = 6 << 20
  /// The longest strip that is checked at random access, in bytes.
  package static let longestStrip: UInt64 = 8 << 20

  private let file: any BlockSource
  private let header: PartcloneHeader
  private let layout: PartcloneLayout
  private let errors: BackupErrors
  private let map: BackupMap
  private let verifies: Bool
  /// Stored blocks to a window; 0 where windows are not needed.
  private let windowBlocks: UInt64
  /// Whether blocks are read by windows, because their checksums are compared or lie close together.
  private let usesCache: Bool
  private let loader: StripLoader
  private let cache: StripCache

  /// What `file` stores, which `layout` describes; `verifies` only where checksums restart.
  init(
    _ file: any BlockSource, header: PartcloneHeader, layout: PartcloneLayout, map: BackupMap, verifies: Bool,
    errors: BackupErrors
  ) {
    self.file = file
    self.header = header
    self.layout = layout
    self.errors = errors
    self.map = map
    self.verifies = verifies
    let strip = layout.stripSize
    usesCache = layout.blocksPerStrip > 0 && (verifies || strip < Self.windowGoal)
    windowBlocks = layout.blocksPerStrip * (usesCache ? max(1, Self.windowGoal / strip) : 1)
    let strips = usesCache ? windowBlocks / layout.blocksPerStrip : 0
    let size = usesCache ? min(windowBlocks, layout.storedBlocks) * layout.blockSize + strips * layout.checksumSize : 0
    let loader = StripLoader(
      file: file, header: header, layout: layout, windowBlocks: windowBlocks, verifies: verifies, blocks: map.blocks,
      errors: errors)
    self.loader = loader
    cache = StripCache(windowSize: Int(size), capacity: max(2, Self.keptBytes / max(Int(size), 1))) {
      try loader.load($0)
    }
  }

  package var byteCount: UInt64 { map.byteCount }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent { map.extent(at: offset, limit: limit) }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try map.read(at: offset, into: &buffer) { position, part in
      try readStored(map.storedByte(at: position), into: &part)
    }
  }

  private func readStored(_ start: UInt64, into buffer: inout MutableRawSpan) throws {
    guard layout.blocksPerStrip > 0 else { return try file.read(at: layout.dataStart + start, into: &buffer) }
    precondition(start + UInt64(buffer.byteCount) <= layout.storedBlocks * layout.blockSize)
    let size = windowBlocks * layout.blockSize
    var done = 0
    while done < buffer.byteCount {
      let position = start + UInt64(done)
      let window = position / size
      let length = min(size, layout.storedBlocks * layout.blockSize - window * size)
      let inside = position % size
      let count = Int(min(length - inside, UInt64(buffer.byteCount - done)))
      var part = buffer.mutableSlice(done, count)
      if !usesCache {
        let block = layout.offset(ofStored: position / layout.blockSize)
        try file.read(at: block + position % layout.blockSize, into: &part)
      } else if UInt64(count) == length, windowBlocks == layout.blocksPerStrip {
        try loader.readStrip(window, into: &part)
      } else {
        try cache.withWindow(window) { loaded in copy(loaded, from: Int(inside), into: &part) }
      }
      done += count
    }
  }

  /// Copies blocks' bytes from `start` on out of a window, in which checksums lie between them.
  private func copy(_ window: StripCache.Window, from start: Int, into buffer: inout MutableRawSpan) {
    let strip = Int(layout.stripSize)
    let step = strip + Int(layout.checksumSize)
    var done = 0
    while done < buffer.byteCount {
      let (index, inside) = (start + done).quotientAndRemainder(dividingBy: strip)
      let count = min(strip - inside, buffer.byteCount - done)
      buffer.copy(window.bytes.slice(index * step + inside, count), at: done)
      done += count
    }
  }
}
