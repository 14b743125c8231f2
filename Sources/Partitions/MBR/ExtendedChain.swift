import BlockIO
import Bytes

/// The logical partitions inside an MBR's extended partition: a chain of links, each a sector like the MBR.
struct ExtendedChain {
  /// The most links that are followed, as in the Linux kernel's most partitions of a disk.
  static let maximumLinks = 256

  /// The links' first bytes on the disk, in the chain's order.
  private(set) var links: [UInt64] = []
  private(set) var partitions: [Partition] = []
  /// What stopped the chain before its end, in sentences.
  private(set) var faults: [TableFault] = []

  private let sectorSize: UInt64
  private let identifier: UInt32

  init(sectorSize: Int, identifier: UInt32) {
    self.sectorSize = UInt64(sectorSize)
    self.identifier = identifier
  }

  /// Follows the chain that starts at sector `base`, numbering its partitions after those there already are.
  mutating func follow(from base: UInt32, in source: any BlockSource) throws {
    var seen: Set<UInt64> = []
    var sector = UInt64(base)
    while true {
      let offset = sector * sectorSize
      guard seen.insert(sector).inserted else {
        throw damaged("the chain of logical partitions runs in a circle; its links must be repaired", at: offset)
      }
      guard links.count < Self.maximumLinks else {
        throw damaged("the chain of logical partitions has more than \(Self.maximumLinks) links", at: offset)
      }
      guard let block = try source.block(at: offset, count: MBRSector.byteCount) else {
        return stop("the chain of logical partitions leads past the end of the disk, to byte \(offset)")
      }
      guard let link = MBRSector(block.bytes.raw) else {
        return stop("the chain of logical partitions leads to byte \(offset), where there is no link")
      }
      links.append(offset)
      if let entry = link.entries.first(where: { $0.isUsed && !$0.isExtended }) { add(entry, from: sector) }
      guard let next = link.entries.first(where: \.isExtended) else { return }
      sector = UInt64(base) + UInt64(next.start)
    }
  }

  private mutating func add(_ entry: MBRSector.Entry, from link: UInt64) {
    let number = 5 + partitions.count
    let start = (link + UInt64(entry.start)) * sectorSize
    partitions.append(entry.partition(number, start: start, sectorSize: sectorSize, disk: identifier))
  }

  private mutating func stop(_ sentence: String) { faults.append(TableFault(.chain, nil, sentence)) }

  private func damaged(_ detail: String, at offset: UInt64) -> ImageError {
    ImageError(.damaged, format: "MBR", "\(detail) (byte \(offset) of the disk)")
  }
}

extension MBRSector.Entry {
  /// The partition that this slot describes, which starts at byte `start` of the disk.
  func partition(_ number: Int, start: UInt64, sectorSize: UInt64, disk identifier: UInt32) -> Partition {
    Partition(
      number: number, start: start, byteCount: UInt64(count) * sectorSize, type: .mbr(type), label: nil,
      uuid: identifier == 0 ? nil : UInt64(identifier).hexadecimal(8) + "-" + UInt64(number).hexadecimal(2),
      attributes: 0,
      isActive: indicator == 0x80, isLogical: number > 4)
  }
}
