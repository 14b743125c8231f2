import Bytes

/// Bytes to write at an offset of a disk.
package struct TableWrite: Hashable, Sendable {
  /// Byte offset on the disk.
  package let offset: UInt64
  /// Whole sectors.
  package let bytes: [UInt8]
}

extension PartitionTable {
  /// Why the table cannot be fitted to a disk of another size.
  package struct NoFit: Error, Hashable, Sendable, CustomStringConvertible {
    /// A sentence without its full stop.
    package let description: String

    package init(_ description: String) { self.description = description }
  }

  /// The least size in bytes of a disk that holds all partitions and, for a GPT, its backup.
  package var minimumByteCount: UInt64? {
    let end = partitions.map(\.end).max() ?? UInt64(sectorSize)
    guard let header = gpt?.used.header else { return end }
    let first = header.firstUsable.adding(1)?.multiplied(by: UInt64(sectorSize))
    let tail = (header.arraySectors(sectorSize) + 1) * UInt64(sectorSize)
    return first.map { max($0, end) }?.adding(tail)
  }

  /// Throws unless all partitions fit a disk of `byteCount` bytes, whether or not the table has to be mended for it.
  package func requireFit(_ byteCount: UInt64) throws(NoFit) {
    guard let minimum = minimumByteCount, minimum <= byteCount else {
      let needed = minimumByteCount.map(describeSize) ?? "an impossible size"
      throw NoFit("the partitions need a disk of \(needed) and this one has \(describeSize(byteCount))")
    }
  }

  /// The writes that make a GPT right for a disk of another size: the backup at its true end, both headers and the
  /// protective MBR mended; none where the table is right already or is no GPT.
  ///
  /// To be done in order: first what is left of the backup in its old place is cleared (where the new one does not
  /// lie), then come the backup's entries, its header, the primary header and the MBR. Throws where the table is not
  /// sound in both copies or the partitions do not fit.
  package func relocateBackupGPT(newDiskByteCount: UInt64) throws(NoFit) -> [TableWrite] {
    guard let gpt else { return [] }
    guard let primary = gpt.primary, let backup = gpt.backup, primary.agrees(with: backup), faults.isEmpty else {
      throw NoFit("the GPT is moved to the end of the disk only where both of its copies are sound and agree")
    }
    try requireFit(newDiskByteCount)
    let size = UInt64(sectorSize)
    let last = newDiskByteCount / size - 1
    guard last != backup.header.sector else { return [] }
    let arraySectors = primary.header.arraySectors(sectorSize)
    let entries = last - arraySectors
    let usedEnd = partitions.map(\.end).max() ?? 0
    guard primary.header.entriesSector + arraySectors <= entries, usedEnd <= backup.header.entriesSector * size,
      backup.header.entriesSector < backup.header.sector
    else { throw NoFit("the GPT is laid out in an unusual way, so that its backup cannot be moved") }
    var writes = cleared(backup.header, keeping: entries..<(last + 1))
    writes.append(TableWrite(offset: entries * size, bytes: backup.entries))
    let usable = entries - 1
    writes.append(
      TableWrite(
        offset: last * size,
        bytes: backup.mended(sector: last, alternate: 1, lastUsable: usable, entries: entries)))
    writes.append(
      TableWrite(
        offset: size,
        bytes: primary.mended(
          sector: 1, alternate: last, lastUsable: usable, entries: primary.header.entriesSector)))
    if let record = mendedProtection(oldLast: backup.header.sector, newLast: last) {
      writes.append(TableWrite(offset: 0, bytes: record))
    }
    return writes
  }

  /// Zeroes for the old backup's sectors that lie on the new disk and outside of `kept`.
  private func cleared(_ header: GPTHeader, keeping kept: Range<UInt64>) -> [TableWrite] {
    let size = UInt64(sectorSize)
    let array = header.entriesSector..<(header.entriesSector + header.arraySectors(sectorSize))
    var writes: [TableWrite] = []
    for range in [array, header.sector..<(header.sector + 1)] {
      let before = range.lowerBound..<max(range.lowerBound, min(range.upperBound, kept.lowerBound))
      guard !before.isEmpty else { continue }
      let count = Int(clamping: UInt64(before.count) * size)
      writes.append(TableWrite(offset: before.lowerBound * size, bytes: [UInt8](repeating: 0, count: count)))
    }
    return writes
  }

  /// The first sector with the protecting entry that reached the old end made to reach the new one, or nil.
  ///
  /// An entry of 0xFFFFFFFF sectors, the most there can be, stays so.
  private func mendedProtection(oldLast: UInt64, newLast: UInt64) -> [UInt8]? {
    guard let sector = MBRSector(mbr.raw) else { return nil }
    var bytes = mbr
    for (slot, entry) in sector.entries.enumerated() where entry.isProtective && entry.count != .max {
      let end = UInt64(entry.start) + UInt64(entry.count)
      // A pure protective entry covers the disk, whatever it says; a hybrid MBR's may cover the front only.
      guard !isHybrid || end == oldLast + 1, newLast >= UInt64(entry.start) else { continue }
      let count = UInt32(clamping: newLast - UInt64(entry.start) + 1)
      bytes.put(count, at: 446 + 16 * slot + 12)
    }
    return bytes == mbr ? nil : bytes
  }
}

extension GPTCopy {
  /// The header's sector with other places in it and its checksum made right.
  func mended(sector place: UInt64, alternate: UInt64, lastUsable: UInt64, entries: UInt64) -> [UInt8] {
    var bytes = sector
    bytes.put(place, at: 24)
    bytes.put(alternate, at: 32)
    bytes.put(lastUsable, at: 48)
    bytes.put(entries, at: 72)
    bytes.put(GPTHeader.checksum(of: bytes.raw, size: Int(header.headerSize)), at: 16)
    return bytes
  }
}

extension [UInt8] {
  /// Stores `value` little-endian at `offset`, where there must be room.
  fileprivate mutating func put(_ value: some FixedWidthInteger, at offset: Int) {
    for index in 0..<(value.bitWidth / 8) { self[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }
}
