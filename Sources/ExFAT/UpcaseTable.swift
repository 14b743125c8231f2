import Bytes
import Filesystems

/// The upper case of each UTF-16 unit, as the volume itself defines it.
struct UpcaseTable: Sendable {
  /// 65,536 units; empty for Unicode's own mapping.
  private let units: [UInt16]
  /// The most bytes that a table may take, more than any needs.
  static let maximumByteCount: UInt64 = 256 << 10

  /// Unicode's simple mapping, for volumes whose own table is damaged.
  static let standard = UpcaseTable(units: [])

  private init(units: [UInt16]) { self.units = units }

  /// Expands a stored table, in which 0xFFFF and a number stand for so many units without upper case.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    var units: [UInt16] = []
    units.reserveCapacity(65536)
    var place = 0
    while place + 2 <= bytes.byteCount, units.count < 65536 {
      let unit: UInt16 = bytes.littleEndian(at: place)
      place += 2
      guard unit == 0xffff, units.count < 65535, place + 2 <= bytes.byteCount else {
        units.append(unit)
        continue
      }
      let count = Int(bytes.littleEndian(at: place, as: UInt16.self))
      place += 2
      guard units.count + count <= 65536 else {
        throw LayoutError("the up-case table has more than 65536 characters", at: place - 2)
      }
      for _ in 0..<count { units.append(UInt16(units.count)) }
    }
    guard place + 1 >= bytes.byteCount else {
      throw LayoutError("the up-case table has more than 65536 characters", at: place)
    }
    while units.count < 65536 { units.append(UInt16(units.count)) }
    self.units = units
  }

  /// The checksum of a stored table.
  static func checksum(_ bytes: RawSpan) -> UInt32 {
    var sum: UInt32 = 0
    for index in 0..<bytes.byteCount {
      sum = (sum << 31 | sum >> 1) &+ UInt32(bytes.littleEndian(at: index, as: UInt8.self))
    }
    return sum
  }

  /// The upper case of `unit`.
  func upper(_ unit: UInt16) -> UInt16 { units.isEmpty ? UpperCase.of(unit) : units[Int(unit)] }
}
