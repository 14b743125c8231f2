import Bytes

/// Sectors of an MBR made from sfdisk's dump: the first, where its own file is missing, and the links of logical
/// partitions, of which folders keep the first alone.
struct MBRFromDump {
  private let dump: SfdiskDump
  /// Size in bytes of the sectors that links lie in.
  private let sectorSize: UInt64
  /// Bytes of a sector that are table and mark.
  static let byteCount = 512
  private static let table = 446

  init(_ dump: SfdiskDump, sectorSize: Int) {
    self.dump = dump
    self.sectorSize = UInt64(sectorSize)
  }

  /// Whether an entry is a container of logical partitions.
  static func isExtended(_ entry: SfdiskDump.Entry) -> Bool { [0x05, 0x0f, 0x85].contains(type(entry) ?? 0) }

  /// The MBR type of an entry; nil where it has none.
  static func type(_ entry: SfdiskDump.Entry) -> UInt8? {
    let digits = entry.type.hasPrefix("0x") ? entry.type.dropFirst(2) : entry.type[...]
    return UInt8(digits, radix: 16)
  }

  /// The first sector, without boot code.
  func firstSector() throws(LayoutError) -> [UInt8] {
    var sector = [UInt8](repeating: 0, count: Self.byteCount)
    if let text = dump.identifier {
      guard let identifier = UInt32(text.hasPrefix("0x") ? String(text.dropFirst(2)) : text, radix: 16) else {
        throw LayoutError("the disk's identifier \"\(text)\" is no number of an MBR")
      }
      sector.put(identifier, at: 440)
    }
    for entry in dump.entries where 1...4 ~= entry.number {
      try Self.put(entry, start: entry.start, in: &sector, slot: entry.number - 1)
    }
    sector.put(UInt16(0xaa55), at: 510)
    return sector
  }

  /// The links of the logical partitions and their bytes on the disk; `first` is the first of them as the folder has it.
  func links(first saved: [UInt8]?) throws(LayoutError) -> [(offset: UInt64, bytes: [UInt8])] {
    let logical = dump.entries.filter { $0.number > 4 }.sorted { $0.number < $1.number }
    guard !logical.isEmpty else {
      // An empty container still starts with a sector that ends the chain.
      guard let container = dump.entries.first(where: Self.isExtended) else { return [] }
      return [(container.start * sectorSize, saved ?? Self.emptyLink)]
    }
    guard let container = dump.entries.first(where: Self.isExtended) else {
      throw LayoutError("it has logical partitions and no extended one around them")
    }
    let places = try places(of: logical, in: container, first: saved)
    if let saved {
      let bytes = unsafe saved.span.bytes
      let told: (start: UInt32, count: UInt32) = (
        bytes.littleEndian(at: Self.table + 8), bytes.littleEndian(at: Self.table + 12)
      )
      guard
        saved[Self.table + 4] == 0
          || told == (UInt32(clamping: logical[0].start - container.start), UInt32(clamping: logical[0].count))
      else {
        throw LayoutError(
          "it describes partition \(logical[0].number) otherwise than the extended partition's -ebr file does")
      }
    }
    var links: [(offset: UInt64, bytes: [UInt8])] = []
    for (index, entry) in logical.enumerated() {
      var link = Self.emptyLink
      // Boot code, which nothing runs and some tools keep.
      if index == 0, let saved { link.replaceSubrange(0..<Self.table, with: saved.prefix(Self.table)) }
      try Self.put(entry, start: entry.start - places[index], in: &link, slot: 0)
      if index + 1 < logical.count {
        let next = logical[index + 1]
        let start = places[index + 1]
        let span = SfdiskDump.Entry(start: start, count: next.start + next.count - start, type: "5")
        try Self.put(span, start: start - container.start, in: &link, slot: 1)
      }
      if index == 0, let saved, Self.sameRanges(saved, link) { link = saved }
      links.append((places[index] * sectorSize, link))
    }
    return links
  }

  /// The sector of each logical partition's link: those that the folder tells, else as far before the partition as the
  /// one before, else right behind what lies before it.
  private func places(
    of logical: [SfdiskDump.Entry], in container: SfdiskDump.Entry, first saved: [UInt8]?
  ) throws(LayoutError) -> [UInt64] {
    let end = container.start + container.count
    for entry in logical where entry.start <= container.start || entry.start + entry.count > end {
      throw LayoutError("partition \(entry.number) does not lie inside the extended partition \(container.number)")
    }
    var gap = logical[0].start - container.start
    var places = [container.start]
    for (index, entry) in logical.enumerated().dropFirst() {
      let before = logical.filter { $0.start < entry.start }.map { $0.start + $0.count }.max() ?? 0
      let free = max(before, container.start + 1)
      guard free < entry.start else {
        throw LayoutError("there is no sector free before partition \(entry.number) for its link")
      }
      let usual = entry.start > gap && entry.start - gap >= free ? entry.start - gap : free
      var place = usual
      if index == 1, let saved, let told = Self.next(saved).flatMap({ container.start.adding($0) }),
        (free..<entry.start).contains(told)
      {
        place = told
        gap = entry.start - told
      }
      guard !places.contains(place) else { throw LayoutError("two links of logical partitions would share a sector") }
      places.append(place)
    }
    return places
  }

  /// Whether two sectors describe the same partitions, whatever their boot code and their cylinders are.
  private static func sameRanges(_ a: [UInt8], _ b: [UInt8]) -> Bool {
    guard a.count == b.count, a.count >= byteCount else { return false }
    return (0..<4).allSatisfy { slot in
      let offset = table + 16 * slot
      return a[offset + 4] == b[offset + 4] && a[(offset + 8)..<(offset + 16)] == b[(offset + 8)..<(offset + 16)]
    } && a[510..<512] == b[510..<512]
  }

  /// Where a link leads to, in sectors from the container's start.
  private static func next(_ link: [UInt8]) -> UInt64? {
    guard link.count >= byteCount else { return nil }
    let bytes = unsafe link.span.bytes
    let type = bytes.littleEndian(at: table + 16 + 4, as: UInt8.self)
    guard [0x05, 0x0f, 0x85].contains(type) else { return nil }
    return UInt64(bytes.littleEndian(at: table + 16 + 8, as: UInt32.self))
  }

  private static var emptyLink: [UInt8] {
    var link = [UInt8](repeating: 0, count: byteCount)
    link.put(UInt16(0xaa55), at: 510)
    return link
  }

  /// Puts `entry`, which starts `start` sectors from what its slot counts from, into a slot.
  private static func put(
    _ entry: SfdiskDump.Entry, start: UInt64, in sector: inout [UInt8], slot: Int
  ) throws(LayoutError) {
    guard let type = type(entry), let first = UInt32(exactly: start), let count = UInt32(exactly: entry.count) else {
      throw LayoutError("partition \(entry.number) is none that an MBR can hold")
    }
    let offset = table + 16 * slot
    let place = entry.start
    sector[offset] = entry.isBootable ? 0x80 : 0
    sector.replaceSubrange((offset + 1)..<(offset + 4), with: cylinder(of: place))
    sector[offset + 4] = type
    sector.replaceSubrange((offset + 5)..<(offset + 8), with: cylinder(of: place + entry.count - 1))
    sector.put(first, at: offset + 8)
    sector.put(count, at: offset + 12)
  }

  /// A sector's head, sector and cylinder as tools write them today: of 255 heads and 63 sectors, all ones past the end.
  private static func cylinder(of sector: UInt64) -> [UInt8] {
    let cylinder = sector / (255 * 63)
    guard cylinder < 1024 else { return [0xfe, 0xff, 0xff] }
    let head = UInt8(truncatingIfNeeded: sector / 63 % 255)
    let high = UInt8(truncatingIfNeeded: cylinder >> 8) << 6
    return [head, UInt8(truncatingIfNeeded: sector % 63 + 1) | high, UInt8(truncatingIfNeeded: cylinder)]
  }
}
