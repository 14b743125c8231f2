import Bytes
import Filesystems

/// A directory entry of 32 bytes with a file's short name and all that FAT knows of it.
struct ShortEntry: Hashable, Sendable {
  /// Where the fields lie, in bytes.
  enum Offset {
    static let name = 0
    static let attributes = 11
    static let caseBits = 12
    static let createdHundredths = 13
    static let createdTime = 14
    static let createdDate = 16
    static let accessedDate = 18
    static let clusterHigh = 20
    static let modifiedTime = 22
    static let modifiedDate = 24
    static let clusterLow = 26
    static let byteCount = 28
  }
  static let size = 32

  /// First bytes of an entry with a meaning of their own.
  enum Mark {
    /// Nothing follows in this directory.
    static let end: UInt8 = 0
    static let deleted: UInt8 = 0xe5
  }

  var name: ShortName
  var attributes: DOSAttributes
  var created: DOSTime
  /// The date alone.
  var accessed: DOSTime
  var modified: DOSTime
  /// The first cluster, the upper half of which only FAT32 uses; 0 for an empty file and for the root in `..`.
  var firstCluster: UInt32
  /// Size in bytes; 0 for a directory.
  var byteCount: UInt32

  /// The fields of the entry in the 32 bytes at `offset`, which must lie inside `bytes`.
  init(_ bytes: RawSpan, at offset: Int, isWide: Bool) {
    let entry = bytes.slice(offset, Self.size)
    name = ShortName(entry)
    attributes = DOSAttributes(rawValue: entry.littleEndian(at: Offset.attributes))
    created = DOSTime(
      date: entry.littleEndian(at: Offset.createdDate), time: entry.littleEndian(at: Offset.createdTime),
      hundredths: entry.littleEndian(at: Offset.createdHundredths))
    accessed = DOSTime(date: entry.littleEndian(at: Offset.accessedDate))
    modified = DOSTime(
      date: entry.littleEndian(at: Offset.modifiedDate), time: entry.littleEndian(at: Offset.modifiedTime))
    let high: UInt16 = entry.littleEndian(at: Offset.clusterHigh)
    let low: UInt16 = entry.littleEndian(at: Offset.clusterLow)
    firstCluster = (isWide ? UInt32(high & 0x0fff) << 16 : 0) | UInt32(low)
    byteCount = entry.littleEndian(at: Offset.byteCount)
  }

  /// Stores the entry into the 32 bytes at `offset`; on FAT12 and FAT16 the upper half of the cluster is left alone.
  func store(into bytes: inout MutableRawSpan, at offset: Int, isWide: Bool) {
    for (index, byte) in name.bytes.enumerated() { bytes.store(littleEndian: byte, at: offset + index) }
    bytes.store(littleEndian: attributes.rawValue, at: offset + Offset.attributes)
    bytes.store(littleEndian: name.caseBits, at: offset + Offset.caseBits)
    bytes.store(littleEndian: created.hundredths, at: offset + Offset.createdHundredths)
    bytes.store(littleEndian: created.time, at: offset + Offset.createdTime)
    bytes.store(littleEndian: created.date, at: offset + Offset.createdDate)
    bytes.store(littleEndian: accessed.date, at: offset + Offset.accessedDate)
    if isWide { bytes.store(littleEndian: UInt16(firstCluster >> 16), at: offset + Offset.clusterHigh) }
    bytes.store(littleEndian: modified.time, at: offset + Offset.modifiedTime)
    bytes.store(littleEndian: modified.date, at: offset + Offset.modifiedDate)
    bytes.store(littleEndian: UInt16(firstCluster & 0xffff), at: offset + Offset.clusterLow)
    bytes.store(littleEndian: byteCount, at: offset + Offset.byteCount)
  }
}
