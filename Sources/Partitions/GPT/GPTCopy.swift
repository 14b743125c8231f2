import BlockIO
import Bytes

/// One of a GPT's two copies: a header whose checksum holds and the entries whose checksum it gives.
struct GPTCopy: Sendable {
  let header: GPTHeader
  /// The whole sector that the header lies in.
  let sector: [UInt8]
  /// The array of entries, a whole number of sectors.
  let entries: [UInt8]

  /// What was found where a copy should be.
  enum Finding: Sendable {
    case sound(GPTCopy)
    /// The signature is there; why the copy cannot be used, and the offset of what is wrong.
    case damaged(String, at: UInt64, alternate: UInt64?)
    case absent

    /// The copy, if it is sound.
    var copy: GPTCopy? {
      if case .sound(let copy) = self { return copy }
      return nil
    }
  }

  /// Looks for a copy whose header is in `sector`.
  static func find(in source: any BlockSource, sector: UInt64, sectorSize: Int) throws -> Finding {
    let diskSectors = source.byteCount / UInt64(sectorSize)
    guard sector > 0, sector < diskSectors,
      let block = try source.block(at: sector * UInt64(sectorSize), count: sectorSize),
      block.has(GPTHeader.signature, at: 0)
    else { return .absent }
    let bytes = block.bytes.raw
    var alternate: UInt64?
    do {
      let header = try GPTHeader(parsing: bytes)
      alternate = header.alternateSector
      try header.check(bytes, at: sector, diskSectors: diskSectors)
      guard let array = try readEntries(of: header, in: source, sectorSize: sectorSize) else {
        let offset = header.entriesSector * UInt64(sectorSize)
        return .damaged("the checksum of its entries does not match", at: offset, alternate: alternate)
      }
      return .sound(GPTCopy(header: header, sector: block.bytes, entries: array))
    } catch let error as LayoutError {
      return .damaged(error.detail, at: block.offset + UInt64(error.offset), alternate: alternate)
    }
  }

  /// The entries that a checked header announces, or nil where their checksum does not match.
  private static func readEntries(
    of header: GPTHeader, in source: any BlockSource, sectorSize: Int
  ) throws -> [UInt8]? {
    let offset = header.entriesSector * UInt64(sectorSize)
    let count = Int(header.arraySectors(sectorSize)) * sectorSize
    guard let block = try source.block(at: offset, count: count) else { return nil }
    let checksum = CRC32.of(block.bytes.raw.slice(0, Int(header.arrayByteCount)))
    return checksum == header.entriesChecksum ? block.bytes : nil
  }
}
