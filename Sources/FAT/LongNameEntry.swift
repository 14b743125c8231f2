import Bytes
import Filesystems

/// A directory entry of 32 bytes with thirteen UTF-16 units of the long name of the file whose entry follows.
struct LongNameEntry: Hashable, Sendable {
  /// Where the fields lie, in bytes.
  enum Offset {
    static let order = 0
    static let attributes = 11
    static let type = 12
    static let checksum = 13
    static let cluster = 26
    /// Where the thirteen units lie.
    static let units = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30]
  }
  /// What the attributes' six lower bits are in such an entry and in no other.
  static let attributes: UInt8 = 0x0f
  /// The bit of the order that the part with the name's end has, which lies first.
  static let lastBit: UInt8 = 0x40
  static let unitCount = 13
  /// The most parts that a name of 255 units takes.
  static let maximumOrder: UInt8 = 20

  /// Bytes 0: the part's number from 1 with `lastBit`.
  let order: UInt8
  /// The checksum of the short name that it belongs to.
  let checksum: UInt8
  /// The units, of which those behind a 0 do not count.
  let units: [UInt16]

  init(order: UInt8, checksum: UInt8, units: [UInt16]) {
    self.order = order
    self.checksum = checksum
    self.units = units
  }

  /// The part in the 32 bytes at `offset`, which must lie inside `bytes`.
  init(_ bytes: RawSpan, at offset: Int) {
    let entry = bytes.slice(offset, ShortEntry.size)
    order = entry.littleEndian(at: Offset.order)
    checksum = entry.littleEndian(at: Offset.checksum)
    units = Offset.units.map { entry.littleEndian(at: $0) }
  }

  /// Stores the part into the 32 bytes at `offset`.
  func store(into bytes: inout MutableRawSpan, at offset: Int) {
    bytes.store(littleEndian: order, at: offset + Offset.order)
    bytes.store(littleEndian: Self.attributes, at: offset + Offset.attributes)
    bytes.store(littleEndian: UInt8(0), at: offset + Offset.type)
    bytes.store(littleEndian: checksum, at: offset + Offset.checksum)
    bytes.store(littleEndian: UInt16(0), at: offset + Offset.cluster)
    for (place, unit) in zip(Offset.units, units) { bytes.store(littleEndian: unit, at: offset + place) }
  }
}

/// The parts of a long name as they come, last part first; what does not fit together is dropped, as Linux does.
struct LongName: Sendable {
  private var units: [UInt16] = []
  private var checksum: UInt8 = 0
  /// The number of the part that was read last; 0 for none.
  private var order: UInt8 = 0

  /// Takes a part.
  mutating func add(_ part: LongNameEntry) {
    let number = part.order & ~LongNameEntry.lastBit
    if part.order & LongNameEntry.lastBit != 0 {
      guard 1...LongNameEntry.maximumOrder ~= number else { return removeAll() }
      checksum = part.checksum
      units.removeAll(keepingCapacity: true)
      for _ in 0..<Int(number) * LongNameEntry.unitCount { units.append(0) }
    } else {
      guard order > 1, number == order - 1, part.checksum == checksum else { return removeAll() }
    }
    order = number
    let start = (Int(number) - 1) * LongNameEntry.unitCount
    for (index, unit) in part.units.enumerated() { units[start + index] = unit }
  }

  /// Forgets the parts.
  mutating func removeAll() { order = 0 }

  /// The name, if all parts are there and belong to `short`; the parts are forgotten.
  mutating func take(for short: ShortName) -> [UInt16]? {
    defer { removeAll() }
    guard order == 1, short.checksum == checksum else { return nil }
    let name = Array(units.prefix { $0 != 0 })
    return name.isEmpty || name.count > 255 ? nil : name
  }
}
