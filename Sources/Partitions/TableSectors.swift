package import BlockIO
import Bytes

/// The byte ranges of a disk whose sectors hold a partition table: those that a flash zeroes first and writes last.
package struct TableSectors: Hashable, Sendable {
  /// In ascending order, neither touching nor overlapping, none empty.
  package private(set) var ranges: [Range<UInt64>] = []

  package init() {}

  /// The sectors of both, each range widened to whole sectors of `sectorSize` bytes within `diskByteCount`.
  package func union(_ other: TableSectors, sectorSize: Int, diskByteCount: UInt64) -> TableSectors {
    let size = UInt64(max(sectorSize, 1))
    var result = TableSectors()
    for range in ranges + other.ranges where range.lowerBound < diskByteCount {
      let end = range.upperBound.roundedUp(to: size) ?? diskByteCount
      result.insert(range.lowerBound.roundedDown(to: size)..<min(end, diskByteCount))
    }
    return result
  }

  /// Adds a range; nothing for an empty one.
  package mutating func insert(_ range: Range<UInt64>) {
    guard !range.isEmpty else { return }
    var merged = range
    ranges.removeAll { other in
      guard other.lowerBound <= merged.upperBound, merged.lowerBound <= other.upperBound else { return false }
      merged = min(other.lowerBound, merged.lowerBound)..<max(other.upperBound, merged.upperBound)
      return true
    }
    ranges.insert(merged, at: ranges.firstIndex { $0.lowerBound > merged.lowerBound } ?? ranges.count)
  }
}

extension TableSectors {
  /// The sectors of a disk that hold a table or the remains of one, found by the marks themselves.
  ///
  /// Every sector size is tried, and headers count whether or not they are sound. The links of logical partitions are
  /// not among them: without the MBR nothing leads to them. Reads the first 8 KiB and the end of the disk.
  package static func find(on disk: any BlockSource) throws -> TableSectors {
    var result = TableSectors()
    guard disk.byteCount > 0 else { return result }
    result.insert(0..<min(512, disk.byteCount))
    for size in PartitionTable.sectorSizes {
      guard disk.byteCount >= 2 * UInt64(size) else { continue }
      let sectors = disk.byteCount / UInt64(size)
      for sector in Set([1, sectors - 1]) {
        let alternate = try result.insertCopy(on: disk, sector: sector, sectorSize: size, sectors)
        if let alternate, alternate != 1, alternate != sectors - 1 {
          _ = try result.insertCopy(on: disk, sector: alternate, sectorSize: size, sectors)
        }
      }
    }
    return result
  }

  /// Adds the copy whose header is in `sector`, if there is one, and returns where it says that the other one is.
  private mutating func insertCopy(
    on disk: any BlockSource, sector: UInt64, sectorSize: Int, _ diskSectors: UInt64
  ) throws -> UInt64? {
    let size = UInt64(sectorSize)
    guard sector < diskSectors, let block = try disk.block(at: sector * size, count: sectorSize),
      block.has(GPTHeader.signature, at: 0), let header = try? GPTHeader(parsing: block.bytes.raw)
    else { return nil }
    insert((sector * size)..<((sector + 1) * size))
    // A header that is not sound says nothing that may be relied on; without its signature it is dead already.
    guard (try? header.check(block.bytes.raw, at: sector, diskSectors: diskSectors)) != nil else { return nil }
    insertEntries(of: header, sectorSize: sectorSize, diskSectors: diskSectors)
    return header.alternateSector
  }

  private mutating func insertEntries(of header: GPTHeader, sectorSize: Int, diskSectors: UInt64) {
    guard let range = header.entries(sectorSize: sectorSize, diskSectors: diskSectors) else { return }
    insert((range.lowerBound * UInt64(sectorSize))..<(range.upperBound * UInt64(sectorSize)))
  }

  /// The sectors that the table at the start of a disk takes, known from the disk's first bytes alone.
  ///
  /// `start` holds at least the first 8 KiB of a disk of `diskByteCount`, which is being streamed. The backup's entries
  /// are taken to lie right before its header, as all tools put them.
  package static func announced(by start: any BlockSource, diskByteCount: UInt64) throws -> TableSectors {
    var result = TableSectors()
    guard diskByteCount > 0 else { return result }
    result.insert(0..<min(512, diskByteCount))
    for sectorSize in PartitionTable.sectorSizes {
      let size = UInt64(sectorSize)
      let diskSectors = diskByteCount / size
      guard let block = try start.block(at: size, count: sectorSize), block.has(GPTHeader.signature, at: 0) else {
        continue
      }
      if 2 * size <= diskByteCount { result.insert(size..<(2 * size)) }
      let bytes = block.bytes.raw
      guard let header = try? GPTHeader(parsing: bytes),
        (try? header.check(bytes, at: 1, diskSectors: diskSectors)) != nil
      else { continue }
      result.insertEntries(of: header, sectorSize: sectorSize, diskSectors: diskSectors)
      let alternate = header.alternateSector
      guard alternate < diskSectors, alternate > 1 else { continue }
      let count = min(header.arraySectors(sectorSize), alternate - 1)
      result.insert(((alternate - count) * size)..<((alternate + 1) * size))
    }
    return result
  }
}

extension PartitionTable {
  /// The sectors that this table itself takes, without the links of logical partitions.
  package var sectors: TableSectors {
    var result = TableSectors()
    for region in regions {
      switch region.kind {
      case .masterBootRecord, .protectiveRecord, .primaryHeader, .primaryEntries, .backupEntries, .backupHeader:
        result.insert(region.start..<region.end)
      case .link, .bootArea, .partition, .gap: break
      }
    }
    return result
  }

  /// Why a disk whose sectors are of `sectorSize` bytes cannot use this table, in a sentence; nil where it can.
  package func sectorSizeMismatch(target targetSize: Int) -> String? {
    guard targetSize != sectorSize, scheme == .gpt || !partitions.isEmpty else { return nil }
    return "the partition table counts in sectors of \(sectorSize) bytes and the target has sectors of "
      + "\(targetSize) bytes, so that no system would find the partitions there"
  }
}
