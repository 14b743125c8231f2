import BlockIO
import Bytes

/// Reads the bitmap that follows a partclone image's header.
struct PartcloneBitmap {
  let header: PartcloneHeader
  let errors: BackupErrors
  /// Bytes read at a time.
  static let pieceSize = 1 << 20

  /// Reads the bitmap, and its checksum or separator, from `reader`, which stands behind the header.
  ///
  /// Memory is taken as bytes arrive. A wrong checksum is told to `tolerate`, or thrown where that is nil.
  func read(from reader: StreamReader, tolerate: ((ImageError, Range<UInt64>) -> Void)?) throws -> StoredBlocks {
    let blockSize = UInt64(header.blockSize)
    guard header.bitmapMode != .none else { return StoredBlocks(all: header.totalBlocks, blockSize: blockSize) }
    let start = reader.offset
    let bytes = (Int(header.totalBlocks) + 7) / 8
    guard var bits = Pages(count: (bytes + 7) / 8 * 8) else {
      throw errors.unsupported("there is no memory for a bitmap of \(describeSize(UInt64(bytes)))", image: start)
    }
    var crc = CRC32()
    if header.bitmapMode == .bits {
      try readBits(reader, into: &bits, count: bytes, &crc)
    } else {
      try readBytes(reader, into: &bits, &crc)
    }
    switch header.version {
    case .v1: try checkSeparator(reader)
    case .v2:
      do { try check(crc, reader) } catch let error as ImageError where tolerate != nil && error.kind == .damaged {
        tolerate?(error, start..<reader.offset)
      }
    }
    if header.order == .big, header.bitmapMode == .bits { orderWords(&bits) }
    return StoredBlocks(bits, total: header.totalBlocks, blockSize: blockSize)
  }

  /// One bit per block, `count` bytes.
  private func readBits(_ reader: StreamReader, into bits: inout Pages, count: Int, _ crc: inout CRC32) throws {
    var offset = 0
    while offset < count {
      let size = min(Self.pieceSize, count - offset)
      var piece = bits.mutableSlice(offset, size)
      guard try reader.read(into: &piece) == size else { throw early(reader) }
      crc.update(piece.bytes)
      offset += size
    }
  }

  /// One byte per block, 1 for a stored one; the checksum is that of the bits.
  private func readBytes(_ reader: StreamReader, into bits: inout Pages, _ crc: inout CRC32) throws {
    let total = Int(header.totalBlocks)
    var scratch = Buffer(count: Self.pieceSize + 8)
    var block = 0
    while block < total {
      let size = min(Self.pieceSize, total - block)
      let padded = (size + 7) / 8 * 8
      var tail = scratch.mutableSlice(padded - 8, 8)
      tail.fillWithZeroes()
      var piece = scratch.mutablePrefix(size)
      guard try reader.read(into: &piece) == size else { throw early(reader) }
      var packed = bits.mutableSlice(block / 8, padded / 8)
      let source = scratch.prefix(padded)
      for index in 0..<(padded / 8) {
        packed.storeBytes(
          of: Self.pack(source.littleEndian(at: index * 8)), toByteOffset: index, as: UInt8.self)
      }
      crc.update(packed.bytes)
      block += size
    }
  }

  /// One bit for each of eight bytes, lowest first: set where the byte is 1.
  static func pack(_ bytes: UInt64) -> UInt8 {
    let lows: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
    let different = bytes ^ 0x0101_0101_0101_0101
    let zeroes = ~(((different & lows) &+ lows) | different | lows)
    return UInt8(truncatingIfNeeded: ((zeroes >> 7) &* 0x0102_0408_1020_4080) >> 56)
  }

  private func check(_ crc: CRC32, _ reader: StreamReader) throws {
    let place = reader.offset
    var bytes = Buffer(count: 4)
    var span = bytes.mutablePrefix(4)
    guard try reader.read(into: &span) == 4 else { throw early(reader) }
    let stored: UInt32 = header.order.load(bytes.prefix(4), at: 0)
    guard stored == ~crc.value else {
      throw errors.damaged(
        "the bitmap's checksum is \(UInt64(stored).hex) and its bytes give \(UInt64(~crc.value).hex);"
          + " copy the image again", image: place, target: 0)
    }
  }

  private func checkSeparator(_ reader: StreamReader) throws {
    let place = reader.offset
    var bytes = Buffer(count: 8)
    var span = bytes.mutablePrefix(8)
    guard try reader.read(into: &span) == 8 else { throw early(reader) }
    guard bytes.prefix(8).littleEndian(at: 0, as: UInt64.self) == 0x6349_6741_6d54_6942 else {
      throw errors.damaged("the mark \"BiTmAgIc\" is missing behind the bitmap", image: place, target: 0)
    }
  }

  private func early(_ reader: StreamReader) -> ImageError {
    errors.damaged(
      "the image ends inside its bitmap of \(header.totalBlocks) blocks; copy it again", image: reader.offset, target: 0
    )
  }
}

extension PartcloneBitmap {
  /// Puts a big-endian machine's bitmap in order.
  ///
  /// Such a writer dumps its words as they lie in memory, most significant byte first, though a tool that swaps fields
  /// only may have left the bytes as they are. The order whose count is the header's, else the one with fewer
  /// changes between stored and not, is the right one: filesystems fill neighbouring blocks.
  private func orderWords(_ bits: inout Pages) {
    let asBytes = summary(bits)
    swapWords(&bits)
    let asWords = summary(bits)
    let isBytes =
      asBytes.count != asWords.count && (asBytes.count == header.usedBlocks) != (asWords.count == header.usedBlocks)
      ? asBytes.count == header.usedBlocks : asBytes.changes < asWords.changes
    if isBytes { swapWords(&bits) }
  }

  /// Reverses the bytes of each word of the writer's size.
  private func swapWords(_ bits: inout Pages) {
    var bytes = bits.mutableSlice(0, bits.count)
    for offset in stride(from: 0, to: bytes.byteCount, by: 8) {
      let word: UInt64 = bytes.bytes.littleEndian(at: offset)
      let swapped = word.byteSwapped
      bytes.store(littleEndian: header.wordBits == 32 ? swapped >> 32 | swapped << 32 : swapped, at: offset)
    }
  }

  /// How many blocks are stored, and how often that changes from one block to the next.
  private func summary(_ bits: borrowing Pages) -> (count: UInt64, changes: UInt64) {
    let words = bits.bytes
    let total = Int(header.totalBlocks)
    var (count, changes, last): (UInt64, UInt64, UInt64) = (0, 0, 0)
    for offset in stride(from: 0, to: words.byteCount, by: 8) {
      let left = total - offset * 8
      let word = words.littleEndian(at: offset, as: UInt64.self) & (left < 64 ? ~(~0 << UInt64(max(left, 0))) : ~0)
      count += UInt64(word.nonzeroBitCount)
      changes += UInt64((word ^ (word << 1 | last)).nonzeroBitCount)
      last = word >> 63
    }
    return (count, changes)
  }
}
