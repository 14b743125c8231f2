package import BlockIO
package import Bytes

/// What a partclone image's header says: version 0002 (110 bytes) or 0001 (4160 bytes).
package struct PartcloneHeader: Sendable {
  /// The two layouts of the file.
  package enum Version: String, Sendable { case v1 = "0001", v2 = "0002" }
  /// How the bitmap is stored.
  package enum BitmapMode: UInt8, Sendable { case none = 0, bits = 1, bytes = 8 }

  /// Bytes to read to parse either version; a header of version 0001 goes on to ``byteCount``.
  package static let parsedSize = 110

  package let version: Version
  package let order: ByteOrder
  /// The writer's version text; empty in version 0001.
  package let writer: String
  package let filesystem: String
  /// The partition's size in bytes.
  package let deviceSize: UInt64
  package let totalBlocks: UInt64
  /// Used blocks as the filesystem counted them; nil in version 0001; informative only.
  package let superblockUsedBlocks: UInt64?
  /// Used blocks as the writer counted them; informative only.
  package let usedBlocks: UInt64
  /// In bytes: 512…64 Mi.
  package let blockSize: Int
  /// The writer's word size, 32 or 64; 0 in version 0001.
  package let wordBits: UInt16
  package let checksum: PartcloneChecksum
  /// Blocks from one checksum to the next; 0 without checksums.
  package let blocksPerChecksum: UInt64
  /// Whether each checksum covers only the blocks since the one before it.
  package let reseeds: Bool
  package let bitmapMode: BitmapMode
  /// The stored checksum of the header, and the computed one; nil in version 0001.
  package let crc: (stored: UInt32, computed: UInt32)?

  /// The header's size in the file, in bytes.
  package var byteCount: UInt64 { version == .v1 ? 4160 : 110 }
  /// Whether the header's own checksum is right.
  package var isIntact: Bool { crc.map { $0.stored == $0.computed } ?? true }

  /// Parses the front of an image, ``parsedSize`` bytes; throws `ImageError` on anything that contradicts the format,
  /// the header's own checksum only unless `ignoringChecksum`.
  package init(parsing bytes: RawSpan, ignoringChecksum: Bool, errors: BackupErrors) throws(ImageError) {
    guard bytes.byteCount >= Self.parsedSize else {
      throw errors.damaged("the image ends inside its header", image: UInt64(bytes.byteCount))
    }
    let text = bytes.slice(30, 4).text
    guard let version = Version(rawValue: text) else {
      throw errors.unsupported("the image's version is \"\(text)\", and 0001 and 0002 can be read", image: 30)
    }
    switch version {
    case .v1: try self.init(version1: bytes, errors)
    case .v2: try self.init(version2: bytes, ignoringChecksum, errors)
    }
  }

  /// Version 0001: in the writer's byte order, which only the plausibility of its numbers shows.
  private init(version1 bytes: RawSpan, _ errors: BackupErrors) throws(ImageError) {
    version = .v1
    func isPlausible(_ order: ByteOrder) -> Bool {
      let geometry = Geometry(
        blockSize: order.load(bytes, at: 36), deviceSize: order.load(bytes, at: 40),
        totalBlocks: order.load(bytes, at: 48), usedBlocks: order.load(bytes, at: 56))
      return geometry.flaw(sizeAt: 36, countsAt: 40) == nil
    }
    order = !isPlausible(.little) && isPlausible(.big) ? .big : .little
    let geometry = Geometry(
      blockSize: order.load(bytes, at: 36), deviceSize: order.load(bytes, at: 40),
      totalBlocks: order.load(bytes, at: 48), usedBlocks: order.load(bytes, at: 56))
    if let flaw = geometry.flaw(sizeAt: 36, countsAt: 40) { throw errors.damaged(flaw.detail, image: flaw.offset) }
    writer = ""
    filesystem = bytes.slice(15, 15).text
    deviceSize = geometry.deviceSize
    totalBlocks = geometry.totalBlocks
    superblockUsedBlocks = nil
    usedBlocks = geometry.usedBlocks
    blockSize = Int(geometry.blockSize)
    wordBits = 0
    checksum = .firstByteCRC
    blocksPerChecksum = 1
    reseeds = false
    bitmapMode = .bytes
    crc = nil
  }

  private init(version2 bytes: RawSpan, _ ignoringChecksum: Bool, _ errors: BackupErrors) throws(ImageError) {
    version = .v2
    switch bytes.littleEndian(at: 34, as: UInt16.self) {
    case 0xc0de: order = .little
    case 0xdec0: order = .big
    case let mark: throw errors.damaged("the byte-order mark is \(UInt64(mark).hex), not 0xc0de", image: 34)
    }
    let order = order
    crc = (order.load(bytes, at: 106), ~CRC32.of(bytes.slice(0, 106)))
    if let crc, crc.stored != crc.computed, !ignoringChecksum {
      throw errors.damaged(
        "the header's checksum is \(UInt64(crc.stored).hex) and its bytes give \(UInt64(crc.computed).hex);"
          + " copy the image again", image: 106)
    }
    writer = bytes.slice(16, 14).text
    filesystem = bytes.slice(36, 16).text
    let optionSize: UInt32 = order.load(bytes, at: 88)
    let binaryVersion: UInt16 = order.load(bytes, at: 92)
    guard optionSize == 18, binaryVersion == 2 else {
      throw errors.unsupported(
        "the header has \(optionSize) bytes of options of version \(binaryVersion), not 18 of version 2", image: 88)
    }
    let superblockUsed: UInt64 = order.load(bytes, at: 68)
    let geometry = Geometry(
      blockSize: order.load(bytes, at: 84), deviceSize: order.load(bytes, at: 52),
      totalBlocks: order.load(bytes, at: 60), usedBlocks: max(superblockUsed, order.load(bytes, at: 76)))
    if let flaw = geometry.flaw(sizeAt: 84, countsAt: 52) { throw errors.damaged(flaw.detail, image: flaw.offset) }
    deviceSize = geometry.deviceSize
    totalBlocks = geometry.totalBlocks
    superblockUsedBlocks = superblockUsed
    usedBlocks = order.load(bytes, at: 76)
    blockSize = Int(geometry.blockSize)
    wordBits = order.load(bytes, at: 94)
    let mode: UInt16 = order.load(bytes, at: 96)
    guard let checksum = PartcloneChecksum(rawValue: mode), checksum != .firstByteCRC else {
      throw errors.unsupported("the checksum mode \(UInt64(mode).hex) is not known", image: 96)
    }
    self.checksum = checksum
    let size: UInt16 = order.load(bytes, at: 98)
    guard checksum == .none || Int(size) == checksum.byteCount else {
      throw errors.damaged("checksums of \(size) bytes do not fit \(checksum)", image: 98)
    }
    let interval: UInt32 = order.load(bytes, at: 100)
    guard interval > 0 || checksum == .none else {
      throw errors.damaged("there are 0 blocks to a checksum", image: 100)
    }
    blocksPerChecksum = checksum == .none ? 0 : UInt64(interval)
    reseeds = bytes.littleEndian(at: 104, as: UInt8.self) != 0
    let bitmap: UInt8 = bytes.littleEndian(at: 105)
    guard let bitmapMode = BitmapMode(rawValue: bitmap) else {
      throw errors.unsupported("the bitmap mode \(bitmap) is not known", image: 105)
    }
    self.bitmapMode = bitmapMode
  }
}

/// The sizes and counts in a header, before they are trusted.
private struct Geometry {
  let blockSize: UInt32
  let deviceSize: UInt64
  let totalBlocks: UInt64
  let usedBlocks: UInt64

  /// What is impossible about them, and the field's offset, where the block size is at `size` and the device size,
  /// total and used blocks follow each other from `counts`; nil if nothing is.
  func flaw(sizeAt size: UInt64, countsAt counts: UInt64) -> (detail: String, offset: UInt64)? {
    guard (512...(64 << 20)).contains(blockSize) else {
      return ("a block size of \(blockSize) bytes is not between 512 bytes and 64 MiB", size)
    }
    guard deviceSize > 0, deviceSize <= 1 << 62 else {
      return ("a device size of \(deviceSize) bytes is not possible", counts)
    }
    guard totalBlocks <= 1 << 43 else { return ("\(totalBlocks) blocks are more than 2^43", counts + 8) }
    guard let bytes = totalBlocks.multiplied(by: UInt64(blockSize)), bytes <= deviceSize else {
      return (
        "\(totalBlocks) blocks of \(blockSize) bytes are more than the device's \(deviceSize) bytes", counts + 8
      )
    }
    guard usedBlocks <= totalBlocks else {
      return ("\(usedBlocks) blocks are said to be used of \(totalBlocks)", counts + 16)
    }
    return nil
  }
}
