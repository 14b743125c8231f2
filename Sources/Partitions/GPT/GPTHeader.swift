import Bytes

/// A GPT header, primary or backup (UEFI 2.10, 5.3.2).
package struct GPTHeader: Hashable, Sendable {
  /// The mark at the start of a header.
  static let signature = Array("EFI PART".utf8)
  /// The size of the fields that every header has, in bytes.
  static let minimumSize = 92
  /// The largest array of entries that is read, in bytes.
  static let maximumArraySize: UInt64 = 16 << 20

  /// Bytes that the header's checksum covers.
  package let headerSize: UInt32
  let headerChecksum: UInt32
  /// The sector that this header is in.
  package let sector: UInt64
  /// The sector of the other header.
  package let alternateSector: UInt64
  /// The first and last sector that partitions may use.
  package let firstUsable: UInt64
  package let lastUsable: UInt64
  package let diskGUID: GUID
  /// The first sector of the array of entries.
  package let entriesSector: UInt64
  /// Entries in the array, used or not.
  package let entryCount: UInt32
  /// Bytes of one entry.
  package let entrySize: UInt32
  let entriesChecksum: UInt32

  /// The fields of the header in `bytes`, not judged.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(Self.minimumSize, of: "GPT header")
    headerSize = bytes.littleEndian(at: 12)
    headerChecksum = bytes.littleEndian(at: 16)
    sector = bytes.littleEndian(at: 24)
    alternateSector = bytes.littleEndian(at: 32)
    firstUsable = bytes.littleEndian(at: 40)
    lastUsable = bytes.littleEndian(at: 48)
    diskGUID = GUID(bytes, at: 56)
    entriesSector = bytes.littleEndian(at: 72)
    entryCount = bytes.littleEndian(at: 80)
    entrySize = bytes.littleEndian(at: 84)
    entriesChecksum = bytes.littleEndian(at: 88)
  }

  /// Size in bytes of the array of entries.
  var arrayByteCount: UInt64 { UInt64(entryCount) * UInt64(entrySize) }

  /// Sectors that the array of entries takes.
  func arraySectors(_ sectorSize: Int) -> UInt64 { (arrayByteCount + UInt64(sectorSize) - 1) / UInt64(sectorSize) }

  /// The sectors of the array of entries on a disk of `diskSectors`; nil where it cannot lie there.
  func entries(sectorSize: Int, diskSectors: UInt64) -> Range<UInt64>? {
    guard hasPlausibleArray, let end = entriesSector.adding(arraySectors(sectorSize)), entriesSector > 0,
      end <= diskSectors
    else { return nil }
    return entriesSector..<end
  }

  /// Whether the entries' size and count are ones that are read.
  var hasPlausibleArray: Bool {
    128...4096 ~= entrySize && entrySize.nonzeroBitCount == 1 && entryCount > 0
      && arrayByteCount <= Self.maximumArraySize
  }

  /// Throws unless the header, which is all of the sector `bytes` at `place`, is sound by itself.
  func check(_ bytes: RawSpan, at place: UInt64, diskSectors: UInt64) throws(LayoutError) {
    guard Self.minimumSize...bytes.byteCount ~= Int(headerSize) else {
      throw LayoutError("its size field says \(headerSize) bytes", at: 12)
    }
    guard Self.checksum(of: bytes, size: Int(headerSize)) == headerChecksum else {
      throw LayoutError("its checksum does not match", at: 16)
    }
    guard sector == place else {
      throw LayoutError("it belongs to sector \(sector) and lies in sector \(place)", at: 24)
    }
    guard firstUsable <= lastUsable else {
      throw LayoutError("the usable range ends (\(lastUsable)) before it starts (\(firstUsable))", at: 40)
    }
    guard hasPlausibleArray else {
      throw LayoutError("it announces \(entryCount) entries of \(entrySize) bytes", at: 80)
    }
    guard let range = entries(sectorSize: bytes.byteCount, diskSectors: diskSectors) else {
      throw LayoutError("its entries would lie at sector \(entriesSector), outside the disk", at: 72)
    }
    guard !range.contains(sector) else { throw LayoutError("its entries would lie over it", at: 72) }
  }

  /// The checksum of a header of `size` bytes, its own field taken as zero.
  static func checksum(of bytes: RawSpan, size: Int) -> UInt32 {
    let zero: [UInt8] = [0, 0, 0, 0]
    var crc = CRC32()
    crc.update(bytes.slice(0, 16))
    crc.update(zero.raw)
    crc.update(bytes.slice(20, size - 20))
    return crc.value
  }
}
