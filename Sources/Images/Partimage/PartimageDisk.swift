package import BlockIO
import Bytes

/// A partimage image in plain files, as the partition it was made from.
///
/// No byte is given out before its group has been checked; the last bytes, fewer than 65536, have no check of their own.
package final class PartimageDisk: BlockSource {
  /// Groups to a window, which is read as a whole.
  private static let windowGroups: UInt64 = 16
  /// How many windows are kept, those in use among them.
  private static let keptWindows = 8

  private let map: BackupMap
  private let layout: PartimageLayout
  private let cache: StripCache

  /// What `payload` stores; `verifies` whether checks are compared.
  init(
    _ payload: PartimagePayload, layout: PartimageLayout, map: BackupMap, verifies: Bool, errors: BackupErrors
  ) {
    self.map = map
    self.layout = layout
    let size = min(Self.windowGroups * (PartimageLayout.groupSize + PartimageLayout.checkSize), payload.byteCount)
    let blocks = map.blocks
    cache = StripCache(windowSize: Int(size), capacity: Self.keptWindows) { window in
      try Self.load(window, payload, layout, verifies: verifies) { flaw, byte in
        let target = blocks.block(ofStored: byte / blocks.blockSize) * blocks.blockSize + byte % blocks.blockSize
        let header = UInt64(PartimageVolumeHeader.byteCount)
        return errors.damaged(
          flaw + "; copy the image again or go on with --rescue", image: layout.offset(ofStored: byte) + header,
          target: target)
      }
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
    let size = Self.windowGroups * PartimageLayout.groupSize
    var done = 0
    while done < buffer.byteCount {
      let (window, inside) = (start + UInt64(done)).quotientAndRemainder(dividingBy: size)
      let count = Int(min(size - inside, UInt64(buffer.byteCount - done)))
      var part = buffer.mutableSlice(done, count)
      try cache.withWindow(window) { loaded in Self.copy(loaded, from: Int(inside), into: &part) }
      done += count
    }
  }

  /// Fills a window with its groups and checks as they lie in the files, and compares them.
  private static func load(
    _ window: StripCache.Window, _ payload: PartimagePayload, _ layout: PartimageLayout, verifies: Bool,
    error: (_ flaw: String, _ byte: UInt64) -> ImageError
  ) throws {
    let first = window.index * windowGroups * PartimageLayout.groupSize
    let count = min(windowGroups * PartimageLayout.groupSize, layout.storedBytes - first)
    let start = layout.offset(ofStored: first)
    // Less is there only where damage is passed over, and what is behind it is not asked for.
    let length = Int(min(layout.offset(ofStored: first + count), max(payload.byteCount, start)) - start)
    try window.bytes.fill(0, length) { bytes in try payload.read(at: start, into: &bytes) }
    guard verifies else { return }
    let size = Int(PartimageLayout.groupSize)
    let step = size + Int(PartimageLayout.checkSize)
    for group in 0..<(Int(count) / size) {
      let flaw = window.bytes.withSlice(group * step, step) { bytes in
        PartimageCheck.flaw(bytes.slice(size, step - size), of: bytes.slice(0, size))
      }
      if let flaw { throw error(flaw, first + UInt64(group * size)) }
    }
  }

  /// Copies blocks' bytes from `start` on out of a window, in which checks lie between them.
  private static func copy(_ window: StripCache.Window, from start: Int, into buffer: inout MutableRawSpan) {
    let size = Int(PartimageLayout.groupSize)
    let step = size + Int(PartimageLayout.checkSize)
    var done = 0
    while done < buffer.byteCount {
      let (index, inside) = (start + done).quotientAndRemainder(dividingBy: size)
      let count = min(size - inside, buffer.byteCount - done)
      buffer.copy(window.bytes.slice(index * step + inside, count), at: done)
      done += count
    }
  }
}
