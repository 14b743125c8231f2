import Bytes

/// One entry of a GPT's array that is in use (UEFI 2.10, 5.3.3).
struct GPTEntry {
  let type: GUID
  let unique: GUID
  let first: UInt64
  let last: UInt64
  let attributes: UInt64
  let label: String

  /// The entry at `offset` of the array, where 128 bytes must be, or nil for one that is not in use.
  init?(_ array: RawSpan, at offset: Int) {
    type = GUID(array, at: offset)
    guard !type.isZero else { return nil }
    unique = GUID(array, at: offset + 16)
    first = array.littleEndian(at: offset + 32)
    last = array.littleEndian(at: offset + 40)
    attributes = array.littleEndian(at: offset + 48)
    var units: [UInt16] = []
    for index in 0..<36 {
      let unit: UInt16 = array.littleEndian(at: offset + 56 + 2 * index)
      if unit == 0 { break }
      units.append(unit)
    }
    label = String(decoding: units, as: UTF16.self)
  }

  /// The partition that entry `number` describes; throws where its range is none.
  func partition(_ number: Int, sectorSize: Int) throws(LayoutError) -> Partition {
    guard first <= last else {
      throw LayoutError("partition \(number) ends (sector \(last)) before it starts (sector \(first))")
    }
    let size = UInt64(sectorSize)
    guard let sectors = (last - first).adding(1), let start = first.multiplied(by: size),
      let count = sectors.multiplied(by: size), start.adding(count) != nil
    else { throw LayoutError("partition \(number) is larger than any disk (sectors \(first) to \(last))") }
    return Partition(
      number: number, start: start, byteCount: count, type: .gpt(type), label: label, uuid: unique.description,
      attributes: attributes, isActive: false, isLogical: false)
  }
}
