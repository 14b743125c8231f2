import BlockIO
import Bytes
import Filesystems

/// Where a sparse file is stored, in the form that GNU tar calls 1.0: a text before the contents with the number of
/// ranges, then offset and length of each, a line each, padded to whole blocks.
///
/// The ranges are looked up again for each pass, so that a map of any length takes no memory.
struct SparseMap {
  private let rangeCount: UInt64
  private let textByteCount: UInt64
  private let dataByteCount: UInt64
  private let realByteCount: UInt64
  /// Whether anything of the file is not stored.
  let isSparse: Bool

  private static let block = UInt64(TarHeader.blockSize)

  init(of contents: any FileContents, _ reader: ContentsReader) throws {
    var (count, text, data): (UInt64, UInt64, UInt64) = (0, 0, 0)
    var end: UInt64 = 0
    var stored: UInt64 = 0
    try Self.forEach(of: contents, reader) { range in
      count += 1
      text += UInt64(Self.line(range).utf8.count)
      data += UInt64(range.upperBound - range.lowerBound).roundedUp(to: Self.block) ?? 0
      stored += range.upperBound - range.lowerBound
      end = range.upperBound
    }
    realByteCount = contents.byteCount
    isSparse = stored < contents.byteCount
    // A range of nothing at the end tells of the hole before it.
    if end < realByteCount || count == 0 {
      count += 1
      text += UInt64(Self.line(realByteCount..<realByteCount).utf8.count)
    }
    rangeCount = count
    textByteCount = text + UInt64("\(count)\n".utf8.count)
    dataByteCount = data
  }

  /// Bytes that the map and the stored ranges take in the archive.
  var storedByteCount: UInt64 { (textByteCount.roundedUp(to: Self.block) ?? 0) + dataByteCount }

  /// The name that the file has for programs that do not know sparse files.
  static func name(for path: FileName) -> [UInt8] {
    Array("GNUSparseFile.0/".utf8) + (path.bytes.split(separator: UInt8(ascii: "/")).last ?? [])
  }

  /// Writes the map.
  func write(to output: OutputPipe, of contents: any FileContents, _ reader: ContentsReader) throws {
    try output.write(Array("\(rangeCount)\n".utf8))
    var count: UInt64 = 0
    try Self.forEach(of: contents, reader) { range in
      try output.write(Array(Self.line(range).utf8))
      count += 1
    }
    if count < rangeCount { try output.write(Array(Self.line(realByteCount..<realByteCount).utf8)) }
    try output.writeZeroes((textByteCount.roundedUp(to: Self.block) ?? textByteCount) - textByteCount)
  }

  /// Calls `body` with the ranges that the archive holds.
  func forEachRange(
    of contents: any FileContents, _ reader: ContentsReader, _ body: (Range<UInt64>) throws -> Void
  ) throws { try Self.forEach(of: contents, reader, body) }

  /// The stored ranges, widened to whole blocks and joined where they meet.
  private static func forEach(
    of contents: any FileContents, _ reader: ContentsReader, _ body: (Range<UInt64>) throws -> Void
  ) throws {
    var waiting: Range<UInt64>?
    try reader.forEachStoredRange(of: contents) { range in
      let start = range.lowerBound.roundedDown(to: block)
      let end = min(range.upperBound.roundedUp(to: block) ?? .max, contents.byteCount)
      if let last = waiting, start <= last.upperBound {
        waiting = last.lowerBound..<max(last.upperBound, end)
      } else {
        if let waiting { try body(waiting) }
        waiting = start..<end
      }
    }
    if let waiting { try body(waiting) }
  }

  private static func line(_ range: Range<UInt64>) -> String {
    "\(range.lowerBound)\n\(range.upperBound - range.lowerBound)\n"
  }
}
