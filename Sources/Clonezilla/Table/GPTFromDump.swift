import Bytes

/// A GPT made from sfdisk's dump, where the folder has none of the table's own sectors.
struct GPTFromDump {
  /// The header as it belongs into sector 1, and the entries.
  let header: [UInt8]
  let entries: [UInt8]

  private static let headerSize: UInt32 = 92
  private static let entrySize: UInt32 = 128
  /// The most entries that a dump may ask for.
  private static let mostEntries: UInt32 = 4096

  /// Makes the table of a disk of `byteCount` bytes; nil: as large as the dump's last usable sector asks for.
  init(_ dump: SfdiskDump, geometry: DiskGeometry) throws(LayoutError) {
    let sectorSize = UInt64(geometry.sectorSize)
    let count = dump.tableLength ?? 128
    guard 1...Self.mostEntries ~= count else { throw LayoutError("it asks for a table of \(count) entries") }
    let arraySectors = (UInt64(count) * UInt64(Self.entrySize) + sectorSize - 1) / sectorSize
    guard
      let needed = dump.lastUsable.flatMap({ $0.adding(arraySectors + 2) })
        ?? geometry.byteCount.map({ $0 / sectorSize })
    else { throw LayoutError("no file says how large the disk is") }
    let sectors = max(geometry.byteCount.map { $0 / sectorSize } ?? 0, needed)
    guard sectors > 2 * arraySectors + 4, let identifier = Self.guid(dump.identifier ?? "") else {
      throw LayoutError("the disk's size or its identifier is missing or wrong")
    }
    let entries = try Self.array(of: dump, count: count)
    var header = [UInt8](repeating: 0, count: geometry.sectorSize)
    header.replaceSubrange(0..<8, with: "EFI PART".utf8)
    header.put(UInt32(0x0001_0000), at: 8)
    header.put(Self.headerSize, at: 12)
    header.put(UInt64(1), at: 24)
    header.put(sectors - 1, at: 32)
    header.put(dump.firstUsable ?? 2 + arraySectors, at: 40)
    header.put(dump.lastUsable ?? sectors - arraySectors - 2, at: 48)
    header.replaceSubrange(56..<72, with: identifier)
    header.put(UInt64(2), at: 72)
    header.put(count, at: 80)
    header.put(Self.entrySize, at: 84)
    header.put(CRC32.of(unsafe entries.span.bytes), at: 88)
    let checksum = CRC32.of(unsafe header.span.bytes.slice(0, Int(Self.headerSize)))
    header.put(checksum, at: 16)
    self.header = header
    self.entries = entries
  }

  private static func array(of dump: SfdiskDump, count: UInt32) throws(LayoutError) -> [UInt8] {
    var array = [UInt8](repeating: 0, count: Int(count * entrySize))
    for entry in dump.entries {
      guard 1...Int(count) ~= entry.number else {
        throw LayoutError("partition \(entry.number) has no place in a table of \(count) entries")
      }
      guard let type = guid(entry.type) else {
        throw LayoutError("partition \(entry.number) has the type \"\(entry.type)\", which is no GUID")
      }
      guard let unique = guid(entry.uuid ?? "") else {
        throw LayoutError("partition \(entry.number) has the UUID \"\(entry.uuid ?? "")\", which is none")
      }
      let offset = (entry.number - 1) * Int(entrySize)
      array.replaceSubrange(offset..<(offset + 16), with: type)
      array.replaceSubrange((offset + 16)..<(offset + 32), with: unique)
      array.put(entry.start, at: offset + 32)
      array.put(entry.start + entry.count - 1, at: offset + 40)
      array.put(attributes(entry.attributes ?? ""), at: offset + 48)
      for (index, unit) in (entry.label ?? "").utf16.prefix(36).enumerated() {
        array.put(unit, at: offset + 56 + 2 * index)
      }
    }
    return array
  }

  /// The 16 bytes of a GUID as GPT stores them; nil for text that is none.
  private static func guid(_ text: String) -> [UInt8]? {
    let groups = text.split(separator: "-", omittingEmptySubsequences: false)
    guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
    var bytes: [UInt8] = []
    for (index, group) in groups.enumerated() {
      let digits = Array(group.utf8)
      let part = stride(from: 0, to: digits.count, by: 2).compactMap {
        UInt8(String(decoding: digits[$0..<($0 + 2)], as: UTF8.self), radix: 16)
      }
      guard part.count * 2 == digits.count else { return nil }
      // The first three groups are little-endian.
      bytes += index < 3 ? part.reversed() : part
    }
    return bytes
  }

  /// Attribute bits in sfdisk's words, such as `RequiredPartition GUID:60,63`.
  private static func attributes(_ text: String) -> UInt64 {
    var bits: UInt64 = 0
    func set(_ bit: Int) { if 0..<64 ~= bit { bits |= 1 << UInt64(bit) } }
    for word in text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == ":" }) {
      switch word {
      case "RequiredPartition": set(0)
      case "NoBlockIOProtocol": set(1)
      case "LegacyBIOSBootable": set(2)
      default: if let bit = Int(word) { set(bit) }
      }
    }
    return bits
  }
}
