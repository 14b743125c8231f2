import BlockIO
import Bytes
import Filesystems

/// What the entries of the root directory that stand for no file say of the volume.
struct VolumeEntries {
  /// Where the fields of a bitmap's or up-case table's entry lie, in bytes.
  private enum Offset {
    static let bitmapFlags = 1
    static let checksum = 4
    static let firstCluster = 20
    static let byteCount = 24
  }

  /// Nil where it is missing or damaged.
  private(set) var bitmap: AllocationBitmap?
  private(set) var upcase = UpcaseTable.standard
  /// The first cluster of the up-case table; nil where that is missing or damaged.
  private(set) var upcaseCluster: UInt32?
  private(set) var label: String?
  /// The volume's GUID as sixteen bytes in the order in which they are stored.
  private(set) var guid: [UInt8]?
  /// What is damaged, as sentences.
  private(set) var faults: [String] = []

  /// Reads them from the root directory; `isSecond` for the bitmap of the second table.
  init(in root: Directory, heap: ClusterHeap, table: FileAllocationTable, isSecond: Bool) throws {
    var hasUpcase = false
    do {
      try root.forEach(from: 0) { item in
        guard case .other(let type, let entry, let offset) = item else { return true }
        switch type {
        case .bitmap where (entry[Offset.bitmapFlags] & 1 == 1) == isSecond && bitmap == nil:
          bitmap = try take { try Self.bitmap(entry, heap, table) }
        case .upcaseTable where !hasUpcase:
          hasUpcase = true
          guard let found = try take({ try Self.upcase(entry, offset, heap, table) }) else { return true }
          upcase = found
          upcaseCluster = entry.raw.littleEndian(at: Offset.firstCluster)
        case .label: label = Self.label(entry)
        case .volumeGUID: guid = Array(entry[6..<22])
        default: break
        }
        return true
      }
    } catch let error as ImageError {
      faults.append("The root directory cannot be read whole: \(error.detail).")
    }
    if bitmap == nil, faults.isEmpty { faults.append("The root directory names no bitmap of clusters.") }
    if !hasUpcase, faults.isEmpty {
      faults.append("The root directory names no up-case table; Unicode's own rules are used for upper and lower case.")
    }
  }

  /// What `body` gives; nil, with a note of the damage, where it meets some.
  private mutating func take<Value>(_ body: () throws -> Value) throws -> Value? {
    do {
      return try body()
    } catch let error as ImageError {
      faults.append(
        error.detail.prefix(1).uppercased() + error.detail.dropFirst()
          + (error.offset.map { " (at offset \($0.hex))" } ?? "") + ".")
      return nil
    }
  }

  private static func bitmap(
    _ entry: [UInt8], _ heap: ClusterHeap, _ table: FileAllocationTable
  ) throws -> AllocationBitmap {
    let bytes = entry.raw
    return try AllocationBitmap(
      from: bytes.littleEndian(at: Offset.firstCluster), byteCount: bytes.littleEndian(at: Offset.byteCount),
      heap: heap, table: table)
  }

  private static func upcase(
    _ entry: [UInt8], _ offset: UInt64, _ heap: ClusterHeap, _ table: FileAllocationTable
  ) throws -> UpcaseTable {
    let bytes = entry.raw
    let count: UInt64 = bytes.littleEndian(at: Offset.byteCount)
    guard 1...UpcaseTable.maximumByteCount ~= count else {
      throw heap.damaged("the up-case table is said to have \(count) bytes", at: offset)
    }
    let chain = try ClusterChain(from: bytes.littleEndian(at: Offset.firstCluster), in: heap, table: table)
    var buffer = Buffer(count: Int(count))
    var span = buffer.mutablePrefix(Int(count))
    try chain.read(at: 0, into: &span)
    let stored = buffer.prefix(Int(count))
    guard UpcaseTable.checksum(stored) == bytes.littleEndian(at: Offset.checksum, as: UInt32.self) else {
      throw heap.damaged("the up-case table's checksum does not match", at: heap.offset(of: chain.first))
    }
    do {
      return try UpcaseTable(parsing: stored)
    } catch {
      throw heap.damaged(error.detail, at: heap.offset(of: chain.first) + UInt64(error.offset))
    }
  }

  /// The label's eleven UTF-16 units at most; nil where there are none.
  private static func label(_ entry: [UInt8]) -> String? {
    let bytes = entry.raw
    let units = (0..<min(Int(entry[1]), 11)).map { bytes.littleEndian(at: 2 + 2 * $0, as: UInt16.self) }
      .prefix { $0 != 0 }
    return units.isEmpty ? nil : String(decoding: units, as: UTF16.self)
  }
}
