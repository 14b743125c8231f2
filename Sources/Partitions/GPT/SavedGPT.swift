package import Bytes

/// A GPT of which one copy, the primary or the backup, was kept apart from its disk.
package struct SavedGPT: Sendable {
  private let copy: GPTCopy
  private let sectorSize: Int
  /// The last sector of the disk as the header knows it, where the backup lies.
  private let last: UInt64

  /// Size in bytes of the disk that the header describes.
  package var diskByteCount: UInt64 { (last + 1) * UInt64(sectorSize) }

  /// Takes a header, at the front of its sector, and the entries that belong to it.
  ///
  /// Entries that are cut off count as unused where that fits their checksum. Throws what is wrong, as a clause.
  package init(header: [UInt8], entries: [UInt8], sectorSize: Int) throws(LayoutError) {
    let sector = Array(header.prefix(sectorSize)) + [UInt8](repeating: 0, count: max(sectorSize - header.count, 0))
    guard sector.starts(with: GPTHeader.signature) else { throw LayoutError("it holds no GPT header") }
    let parsed = try GPTHeader(parsing: sector.raw)
    let last = max(parsed.sector, parsed.alternateSector)
    guard min(parsed.sector, parsed.alternateSector) == 1, let sectors = last.adding(1),
      let size = sectors.multiplied(by: UInt64(sectorSize)), size <= UInt64(Int64.max)
    else {
      throw LayoutError("its header lies in sector \(parsed.sector) and the other in \(parsed.alternateSector)", at: 24)
    }
    try parsed.check(sector.raw, at: parsed.sector, diskSectors: sectors)
    let count = Int(parsed.arraySectors(sectorSize)) * sectorSize
    let array = Array(entries.prefix(count)) + [UInt8](repeating: 0, count: max(count - entries.count, 0))
    guard CRC32.of(array.raw.slice(0, Int(parsed.arrayByteCount))) == parsed.entriesChecksum else {
      throw LayoutError("the checksum of its entries does not match", at: 88)
    }
    copy = GPTCopy(header: parsed, sector: sector, entries: array)
    self.sectorSize = sectorSize
    self.last = last
  }

  /// Both copies where they belong on a disk of ``diskByteCount``: the primary as it was kept, the other made from it.
  ///
  /// Throws for a disk that has no room for both.
  package func writes() throws(LayoutError) -> [TableWrite] {
    let size = UInt64(sectorSize)
    let header = copy.header
    let count = header.arraySectors(sectorSize)
    let first = header.sector == 1 ? header.entriesSector : 2
    guard let firstEnd = first.adding(count), last > count, firstEnd <= last - count, header.lastUsable < last - count
    else { throw LayoutError("the disk of \(last + 1) sectors has no room for both copies of the table", at: 32) }
    let primary =
      header.sector == 1
      ? copy.sector : copy.mended(sector: 1, alternate: last, lastUsable: header.lastUsable, entries: first)
    let backup = copy.mended(sector: last, alternate: 1, lastUsable: header.lastUsable, entries: last - count)
    return [
      TableWrite(offset: size, bytes: primary), TableWrite(offset: first * size, bytes: copy.entries),
      TableWrite(offset: (last - count) * size, bytes: copy.entries), TableWrite(offset: last * size, bytes: backup),
    ]
  }
}
