package import BlockIO
import Bytes

/// A disk's partition table: an MBR with its logical partitions, or a GPT.
package struct PartitionTable: Sendable {
  /// The kinds of table.
  package enum Scheme: String, Sendable {
    case mbr, gpt
  }

  package let scheme: Scheme
  /// The unit the table counts in, in bytes: 512, 1024, 2048 or 4096.
  package let sectorSize: Int
  /// Size in bytes of the disk the table was read from.
  package let diskByteCount: UInt64
  /// The disk's GUID, or its MBR signature as `0x…`.
  package let identifier: String
  /// In ascending order of their numbers; numbers may be missing and starts may be in any order.
  package let partitions: [Partition]
  /// What a user should know of a table that is used all the same, in sentences without their full stop.
  package let warnings: [String]
  /// Where the table contradicts the disk or itself; a whole disk may be copied in spite of them.
  package let faults: [TableFault]

  /// The disk's first sector.
  let mbr: [UInt8]
  /// The first bytes of the sectors that chain logical partitions.
  let links: [UInt64]
  let gpt: GPTCopies?

  /// Whether the disk has a GPT and, beside it, an MBR that describes partitions.
  package let isHybrid: Bool

  /// Size of the disk in whole sectors.
  var diskSectors: UInt64 { diskByteCount / UInt64(sectorSize) }

  /// The partition called `number`, or nil.
  package func partition(_ number: Int) -> Partition? { partitions.first { $0.number == number } }

  /// Whether every copy of the table that there should be is sound; an MBR has only one.
  package var hasAllCopies: Bool { gpt.map { $0.primary != nil && $0.backup != nil } ?? true }

  /// Throws (`damaged`) the first fault, if there is one.
  package func requireSound() throws(ImageError) {
    guard let fault = faults.first else { return }
    let more = faults.count > 1 ? " (and \(faults.count - 1) more faults)" : ""
    throw ImageError(.damaged, format: format, fault.description + more)
  }

  /// The scheme's name in messages.
  package var format: String { scheme == .gpt ? "GPT" : "MBR" }
}

extension PartitionTable {
  /// The table of a disk; nil where there is none, as on a disk that is one filesystem.
  ///
  /// `sectorSizeHint` is a size in bytes that is tried first; what the table says for itself counts more.
  /// Throws `ImageError` (`damaged`) for a GPT whose two copies are both unusable, and for endless chains of logical
  /// partitions.
  package static func read(from source: any BlockSource, sectorSizeHint: Int? = nil) throws -> PartitionTable? {
    guard let block = try source.block(at: 0, count: MBRSector.byteCount),
      let sector = MBRSector(block.bytes.raw)
    else { return nil }
    let hint = sectorSizeHint.flatMap { sectorSizes.contains($0) ? $0 : nil }
    if sector.isProtective {
      let search = try GPTSearch(in: source, hint: hint)
      if let copies = search.copies {
        let first = try source.block(at: 0, count: search.sectorSize) ?? block
        return PartitionTable(copies, search: search, mbr: first.bytes, isHybrid: sector.isHybrid, source.byteCount)
      }
      if search.sawSignature { throw search.failure }
      guard sector.hasValidIndicators, !isFilesystem(block) else { return nil }
      throw search.failure
    }
    guard sector.hasValidIndicators, !isFilesystem(block) else { return nil }
    if !sector.entries.contains(where: \.isUsed), try FilesystemSignature.probe(source) != nil { return nil }
    let size = try mbrSectorSize(sector, in: source, hint: hint)
    return try PartitionTable(sector, bytes: block.bytes, in: source, sectorSize: size)
  }

  /// The sector sizes that tables are looked for with.
  static let sectorSizes = [512, 4096, 2048, 1024]

  /// Whether a disk's first sector belongs to a FAT, exFAT, NTFS or BitLocker volume, whose marks 55 AA are the same.
  private static func isFilesystem(_ block: Block) -> Bool {
    FATBootSector(block) != nil
      || ["NTFS    ", "EXFAT   ", "-FVE-FS-"].contains { block.has($0, at: 3) }
  }
}

extension PartitionTable {
  /// A GPT as it was found.
  private init(_ copies: GPTCopies, search: GPTSearch, mbr: [UInt8], isHybrid: Bool, _ diskByteCount: UInt64) {
    let header = copies.used.header
    let size = UInt64(search.sectorSize)
    var faults: [TableFault] = []
    if header.lastUsable >= diskByteCount / size {
      let needed = header.lastUsable.multiplied(by: size).map(describeSize) ?? "an impossible size"
      faults.append(
        TableFault(
          .truncated, nil,
          "the table is that of a disk of more than \(needed), and this one ends at "
            + "\(describeSize(diskByteCount)): it is cut short"))
    }
    var partitions: [Partition] = []
    let array = copies.used.entries.raw
    for index in 0..<Int(header.entryCount) {
      guard let entry = GPTEntry(array, at: index * Int(header.entrySize)) else { continue }
      do {
        partitions.append(try entry.partition(index + 1, sectorSize: search.sectorSize))
      } catch {
        if faults.count < TableFault.maximum { faults.append(TableFault(.range, index + 1, error.detail)) }
      }
    }
    faults += TableFault.pastEnd(partitions, diskByteCount: diskByteCount) + TableFault.overlaps(partitions)
    self.init(
      scheme: .gpt, sectorSize: search.sectorSize, diskByteCount: diskByteCount,
      identifier: header.diskGUID.description, partitions: partitions, warnings: search.warnings, faults: faults,
      mbr: mbr, links: [], gpt: copies, isHybrid: isHybrid)
  }

  /// The table in an MBR and in the links of its extended partitions.
  private init(_ sector: MBRSector, bytes: [UInt8], in source: any BlockSource, sectorSize: Int) throws {
    let size = UInt64(sectorSize)
    var partitions: [Partition] = []
    var chain = ExtendedChain(sectorSize: sectorSize, identifier: sector.identifier)
    for (slot, entry) in sector.entries.enumerated() where entry.isUsed {
      let start = UInt64(entry.start) * size
      partitions.append(entry.partition(slot + 1, start: start, sectorSize: size, disk: sector.identifier))
      if entry.isExtended { try chain.follow(from: entry.start, in: source) }
    }
    partitions += chain.partitions
    let faults =
      chain.faults + TableFault.pastEnd(partitions, diskByteCount: source.byteCount) + TableFault.overlaps(partitions)
    self.init(
      scheme: .mbr, sectorSize: sectorSize, diskByteCount: source.byteCount,
      identifier: "0x" + UInt64(sector.identifier).hexadecimal(8), partitions: partitions, warnings: [],
      faults: faults, mbr: bytes, links: chain.links, gpt: nil, isHybrid: false)
  }

  /// The sector size by which something is found where the MBR's partitions start.
  private static func mbrSectorSize(_ sector: MBRSector, in source: any BlockSource, hint: Int?) throws -> Int {
    let first = hint ?? 512
    for size in [first] + [512, 4096].filter({ $0 != first }) {
      for entry in sector.entries where entry.isUsed {
        let start = UInt64(entry.start) * UInt64(size)
        let count = UInt64(entry.count) * UInt64(size)
        guard start > 0, start + count <= source.byteCount else { continue }
        let window = Window<any BlockSource>(of: source, start: start, byteCount: count)
        if entry.isExtended {
          let link = try window.block(at: 0, count: min(MBRSector.byteCount, Int(clamping: count)))
          if let link, MBRSector(link.bytes.raw)?.hasValidIndicators == true { return size }
        } else if try FilesystemSignature.probe(window) != nil {
          return size
        }
      }
    }
    return first
  }
}
