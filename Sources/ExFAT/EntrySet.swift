import Bytes
import Filesystems

/// The entries of one file: a file entry, a stream extension, and file names of 15 UTF-16 units each.
struct EntrySet: Hashable, Sendable {
  /// Where the fields lie: of the file entry, then of the stream extension, from its own start.
  enum Offset {
    static let secondaryCount = 1
    static let checksum = 2
    static let attributes = 4
    static let created = 8
    static let modified = 12
    static let accessed = 16
    static let createdHundredths = 20
    static let modifiedHundredths = 21
    static let createdZone = 22
    static let modifiedZone = 23
    static let accessedZone = 24

    static let streamFlags = 1
    static let nameLength = 3
    static let nameHash = 4
    static let validByteCount = 8
    static let firstCluster = 20
    static let byteCount = 24

    /// The first of a file name entry's units.
    static let units = 2
  }
  /// UTF-16 units in one file name entry.
  static let unitCount = 15
  /// The most secondary entries that a set without vendors' entries has.
  static let maximumNameEntries = 17

  /// A time with the zone of the clock that showed it.
  struct Time: Hashable, Sendable {
    var local: DOSTime
    /// Bit 7: known; bits 0–6 the difference from UTC in quarters of an hour, signed.
    var zone: UInt8

    /// The difference from UTC in minutes; 0 where it is not known.
    var minutes: Int {
      guard zone & 0x80 != 0 else { return 0 }
      return (zone & 0x40 != 0 ? Int(zone & 0x7f) - 128 : Int(zone & 0x7f)) * 15
    }

    var timestamp: Timestamp { local.timestamp(utcOffset: minutes) }
  }

  /// Where the contents lie.
  struct Stream: Hashable, Sendable {
    /// Whether the clusters lie in one piece, without entries in the table.
    var isOnePiece: Bool
    var firstCluster: UInt32
    var byteCount: UInt64
    /// Bytes that were written; the others read as zeroes.
    var validByteCount: UInt64
  }

  var attributes: DOSAttributes
  var created: Time
  var modified: Time
  var accessed: Time
  var stream: Stream
  var nameHash: UInt16
  var name: [UInt16]

  /// The set in `bytes`, a file entry and all its secondary entries; throws where they contradict the format.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    let count = bytes.byteCount / DirectorySlots.slotSize
    guard count >= 3, bytes.byteCount == count * DirectorySlots.slotSize else {
      throw LayoutError("it has \(count) entries, but 3 are the least")
    }
    guard Self.checksum(bytes) == bytes.littleEndian(at: Offset.checksum) else {
      throw LayoutError("its checksum does not match", at: Offset.checksum)
    }
    attributes = DOSAttributes(rawValue: bytes.littleEndian(at: Offset.attributes))
    created = Self.time(bytes, at: Offset.created, hundredths: Offset.createdHundredths, zone: Offset.createdZone)
    modified = Self.time(bytes, at: Offset.modified, hundredths: Offset.modifiedHundredths, zone: Offset.modifiedZone)
    accessed = Self.time(bytes, at: Offset.accessed, hundredths: nil, zone: Offset.accessedZone)
    let extension_ = bytes.slice(DirectorySlots.slotSize, DirectorySlots.slotSize)
    guard Self.type(extension_, at: 0) == .stream else {
      throw LayoutError("it has no stream extension", at: DirectorySlots.slotSize)
    }
    stream = Stream(
      isOnePiece: extension_.littleEndian(at: Offset.streamFlags, as: UInt8.self) & 2 != 0,
      firstCluster: extension_.littleEndian(at: Offset.firstCluster),
      byteCount: extension_.littleEndian(at: Offset.byteCount),
      validByteCount: extension_.littleEndian(at: Offset.validByteCount))
    nameHash = extension_.littleEndian(at: Offset.nameHash)
    let nameLength: UInt8 = extension_.littleEndian(at: Offset.nameLength)
    name = try Self.name(bytes, length: Int(nameLength))
    guard stream.validByteCount <= stream.byteCount else {
      throw LayoutError(
        "\(stream.validByteCount) of its \(stream.byteCount) bytes are said to be valid",
        at: DirectorySlots.slotSize + Offset.validByteCount)
    }
  }

  /// The name in the entries behind the stream extension; those that are no names must be benign.
  private static func name(_ bytes: RawSpan, length: Int) throws(LayoutError) -> [UInt16] {
    guard length > 0 else { throw LayoutError("it has no name", at: DirectorySlots.slotSize + Offset.nameLength) }
    var units: [UInt16] = []
    for place in stride(from: 2 * DirectorySlots.slotSize, to: bytes.byteCount, by: DirectorySlots.slotSize) {
      let type = type(bytes, at: place)
      guard units.count < length else {
        guard type.isBenign else { throw LayoutError("it has an entry of unknown type", at: place) }
        continue
      }
      guard type == .name else { throw LayoutError("its name ends before \(length) characters", at: place) }
      for index in 0..<min(unitCount, length - units.count) {
        units.append(bytes.littleEndian(at: place + Offset.units + 2 * index))
      }
    }
    guard units.count == length else { throw LayoutError("its name ends before \(length) characters") }
    return units
  }

  private static func type(_ bytes: RawSpan, at place: Int) -> EntryType {
    EntryType(rawValue: bytes.littleEndian(at: place))
  }

  private static func time(_ bytes: RawSpan, at place: Int, hundredths: Int?, zone: Int) -> Time {
    let fine: UInt8 = hundredths.map { bytes.littleEndian(at: $0) } ?? 0
    let local = DOSTime(
      date: bytes.littleEndian(at: place + 2), time: bytes.littleEndian(at: place), hundredths: fine)
    return Time(local: local, zone: bytes.littleEndian(at: zone))
  }

  /// The checksum over a set, its own two bytes left out.
  static func checksum(_ bytes: RawSpan) -> UInt16 {
    var sum: UInt16 = 0
    for index in 0..<bytes.byteCount where index != 2 && index != 3 {
      sum = (sum << 15 | sum >> 1) &+ UInt16(bytes.littleEndian(at: index, as: UInt8.self))
    }
    return sum
  }

  /// The hash over a name in upper case.
  static func hash(_ name: [UInt16], _ table: UpcaseTable) -> UInt16 {
    var hash: UInt16 = 0
    for unit in name {
      let upper = table.upper(unit)
      for byte in [upper & 0xff, upper >> 8] { hash = (hash << 15 | hash >> 1) &+ byte }
    }
    return hash
  }
}

extension EntrySet {
  /// The set's bytes with its checksum, without entries of vendors.
  var bytes: [UInt8] {
    let names = (name.count + Self.unitCount - 1) / Self.unitCount
    var bytes = [UInt8](repeating: 0, count: (2 + names) * DirectorySlots.slotSize)
    bytes.withRaw { raw in
      storeFile(into: &raw, secondaryCount: UInt8(truncatingIfNeeded: 1 + names))
      storeStream(into: &raw)
      for index in 0..<names {
        let place = (2 + index) * DirectorySlots.slotSize
        raw.store(littleEndian: EntryType.name.rawValue, at: place)
        for (position, unit) in name.dropFirst(index * Self.unitCount).prefix(Self.unitCount).enumerated() {
          raw.store(littleEndian: unit, at: place + Offset.units + 2 * position)
        }
      }
      raw.store(littleEndian: Self.checksum(raw.bytes), at: Offset.checksum)
    }
    return bytes
  }

  private func storeFile(into raw: inout MutableRawSpan, secondaryCount: UInt8) {
    raw.store(littleEndian: EntryType.file.rawValue, at: 0)
    raw.store(littleEndian: secondaryCount, at: Offset.secondaryCount)
    raw.store(littleEndian: UInt16(attributes.rawValue), at: Offset.attributes)
    for (time, place) in [(created, Offset.created), (modified, Offset.modified), (accessed, Offset.accessed)] {
      raw.store(littleEndian: time.local.time, at: place)
      raw.store(littleEndian: time.local.date, at: place + 2)
    }
    raw.store(littleEndian: created.local.hundredths, at: Offset.createdHundredths)
    raw.store(littleEndian: modified.local.hundredths, at: Offset.modifiedHundredths)
    raw.store(littleEndian: created.zone, at: Offset.createdZone)
    raw.store(littleEndian: modified.zone, at: Offset.modifiedZone)
    raw.store(littleEndian: accessed.zone, at: Offset.accessedZone)
  }

  private func storeStream(into raw: inout MutableRawSpan) {
    let start = DirectorySlots.slotSize
    raw.store(littleEndian: EntryType.stream.rawValue, at: start)
    raw.store(littleEndian: UInt8(stream.isOnePiece ? 3 : 1), at: start + Offset.streamFlags)
    raw.store(littleEndian: UInt8(truncatingIfNeeded: name.count), at: start + Offset.nameLength)
    raw.store(littleEndian: nameHash, at: start + Offset.nameHash)
    raw.store(littleEndian: stream.validByteCount, at: start + Offset.validByteCount)
    raw.store(littleEndian: stream.firstCluster, at: start + Offset.firstCluster)
    raw.store(littleEndian: stream.byteCount, at: start + Offset.byteCount)
  }
}
