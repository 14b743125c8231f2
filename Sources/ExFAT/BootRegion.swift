import BlockIO
import Bytes
import Filesystems

/// The fields of an exFAT boot sector (Microsoft's exFAT specification, 3.1).
struct BootSector: Hashable, Sendable {
  /// Where the fields lie, in bytes.
  enum Offset {
    static let systemName = 3
    static let mustBeZero = 11
    static let volumeLength = 72
    static let tableOffset = 80
    static let tableLength = 84
    static let heapOffset = 88
    static let clusterCount = 92
    static let rootCluster = 96
    static let serial = 100
    static let revision = 104
    static let flags = 106
    static let sectorShift = 108
    static let clusterShift = 109
    static let tableCount = 110
    static let percentInUse = 112
    static let bootMark = 510
  }
  /// Bytes of the sector that matter, whatever its size.
  static let size = 512

  /// What the volume says of its state.
  struct Flags: OptionSet, Hashable, Sendable {
    let rawValue: UInt16
    /// The second table and bitmap are the ones that count.
    static let secondTable = Flags(rawValue: 1)
    /// The volume is in use, or was not unmounted.
    static let dirty = Flags(rawValue: 2)
    /// Reading or writing it has failed before.
    static let mediaFailure = Flags(rawValue: 4)
  }

  /// Sectors of the volume.
  let volumeLength: UInt64
  /// The first sector of the first table, and the sectors of each.
  let tableOffset: UInt32
  let tableLength: UInt32
  /// The sector of cluster 2.
  let heapOffset: UInt32
  let clusterCount: UInt32
  let rootCluster: UInt32
  let serial: UInt32
  /// The version, the larger part in the upper byte.
  let revision: UInt16
  let flags: Flags
  /// Size of a sector as a power of two, from 9 to 12.
  let sectorShift: UInt8
  /// Sectors of a cluster as a power of two.
  let clusterShift: UInt8
  /// 1, or 2 on TexFAT.
  let tableCount: UInt8

  /// The fields of a volume's first sector; throws where they are not exFAT's or contradict each other.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(Self.size, of: "boot sector")
    guard Self.isMarked(bytes) else { throw LayoutError("it does not say EXFAT", at: Offset.systemName) }
    volumeLength = bytes.littleEndian(at: Offset.volumeLength)
    tableOffset = bytes.littleEndian(at: Offset.tableOffset)
    tableLength = bytes.littleEndian(at: Offset.tableLength)
    heapOffset = bytes.littleEndian(at: Offset.heapOffset)
    clusterCount = bytes.littleEndian(at: Offset.clusterCount)
    rootCluster = bytes.littleEndian(at: Offset.rootCluster)
    serial = bytes.littleEndian(at: Offset.serial)
    revision = bytes.littleEndian(at: Offset.revision)
    flags = Flags(rawValue: bytes.littleEndian(at: Offset.flags))
    sectorShift = bytes.littleEndian(at: Offset.sectorShift)
    clusterShift = bytes.littleEndian(at: Offset.clusterShift)
    tableCount = bytes.littleEndian(at: Offset.tableCount)
    try checkSizes()
    try checkPlaces()
  }

  /// Whether the sector has exFAT's name and end mark, and zeroes where FAT has its fields.
  static func isMarked(_ bytes: RawSpan) -> Bool {
    bytes.byteCount >= size && bytes.slice(Offset.systemName, 8).array == Array("EXFAT   ".utf8)
      && bytes.littleEndian(at: Offset.bootMark, as: UInt16.self) == 0xaa55
      && bytes.slice(Offset.mustBeZero, 53).isAllZero
  }

  private func checkSizes() throws(LayoutError) {
    guard 9...12 ~= sectorShift else {
      throw LayoutError("its sectors would have 2 to the \(sectorShift) bytes", at: Offset.sectorShift)
    }
    guard clusterShift <= 25 - sectorShift else {
      throw LayoutError("its clusters would have 2 to the \(clusterShift) sectors", at: Offset.clusterShift)
    }
    guard 1...2 ~= tableCount else {
      throw LayoutError("it has \(tableCount) allocation tables", at: Offset.tableCount)
    }
    guard 1...0xffff_fff5 ~= clusterCount else {
      throw LayoutError("it has \(clusterCount) clusters", at: Offset.clusterCount)
    }
    guard revision >> 8 == 1 else {
      throw LayoutError("its version is \(revision >> 8).\(revision & 0xff)", at: Offset.revision)
    }
  }

  private func checkPlaces() throws(LayoutError) {
    guard tableOffset >= 24, UInt64(tableLength) * sectorSize >= (UInt64(clusterCount) + 2) * 4 else {
      throw LayoutError(
        "its tables of \(tableLength) sectors from sector \(tableOffset) on are too small or too near",
        at: Offset.tableOffset)
    }
    guard UInt64(tableOffset) + UInt64(tableLength) * UInt64(tableCount) <= UInt64(heapOffset) else {
      throw LayoutError("its clusters start at sector \(heapOffset), inside its tables", at: Offset.heapOffset)
    }
    guard UInt64(heapOffset) + UInt64(clusterCount) << UInt64(clusterShift) <= volumeLength else {
      throw LayoutError("its clusters go on past its \(volumeLength) sectors", at: Offset.volumeLength)
    }
    guard volumeLength <= UInt64.max >> 12 else {
      throw LayoutError("it has \(volumeLength) sectors", at: Offset.volumeLength)
    }
    guard rootCluster >= 2, UInt64(rootCluster) < UInt64(clusterCount) + 2 else {
      throw LayoutError("its root directory starts at cluster \(rootCluster), which it has not", at: Offset.rootCluster)
    }
  }

  /// Size of a sector in bytes.
  var sectorSize: UInt64 { 1 << UInt64(sectorShift) }
  /// Size of a cluster in bytes, at most 32 MiB.
  var clusterSize: UInt64 { 1 << UInt64(sectorShift + clusterShift) }
  /// Size of the filesystem in bytes.
  var byteCount: UInt64 { volumeLength << UInt64(sectorShift) }

  /// Sets or clears the flag that says that the volume is in use, in the sector's bytes; no checksum covers it.
  static func store(_ flags: Flags, into bytes: inout MutableRawSpan) {
    bytes.store(littleEndian: flags.rawValue, at: Offset.flags)
  }
}

/// The twelve sectors of a boot region, the last of which repeats a checksum over the others.
struct BootRegion {
  /// Sectors of a region; the backup follows at once.
  static let sectorCount: UInt64 = 12
  let sector: BootSector
  /// Whether the checksum of the others is what the last sector says, all over.
  let isSound: Bool
  /// The boot sector's bytes.
  let bytes: [UInt8]

  /// The region at `offset` of a volume with sectors of `sectorSize` bytes; nil where it would lie outside.
  static func bytes(of volume: any BlockSource, at offset: UInt64, sectorSize: UInt64) throws -> MetadataBlock? {
    let count = sectorCount * sectorSize
    guard offset + count <= volume.byteCount else { return nil }
    return try MetadataBlock(of: volume, at: offset, count: Int(count))
  }

  /// The main region, or the backup; throws `LayoutError` where it is none.
  init(of volume: any BlockSource, isBackup: Bool, sectorSize: UInt64) throws {
    let offset = isBackup ? Self.sectorCount * sectorSize : 0
    guard let block = try Self.bytes(of: volume, at: offset, sectorSize: sectorSize) else {
      throw LayoutError("the volume is too small for it")
    }
    sector = try BootSector(parsing: block.bytes)
    guard sector.sectorSize == sectorSize else {
      throw LayoutError("its sectors are said to have \(sector.sectorSize) bytes", at: BootSector.Offset.sectorShift)
    }
    bytes = block.bytes.slice(0, BootSector.size).array
    let size = Int(sectorSize)
    let sum = Self.checksum(block.bytes.slice(0, 11 * size))
    let last = block.bytes.slice(11 * size, size)
    isSound = stride(from: 0, to: size, by: 4).allSatisfy { last.littleEndian(at: $0, as: UInt32.self) == sum }
  }

  /// The checksum over the first eleven sectors, flags and percentage left out.
  static func checksum(_ bytes: RawSpan) -> UInt32 {
    var sum: UInt32 = 0
    for index in 0..<bytes.byteCount where index != 106 && index != 107 && index != 112 {
      sum = (sum << 31 | sum >> 1) &+ UInt32(bytes.littleEndian(at: index, as: UInt8.self))
    }
    return sum
  }
}
