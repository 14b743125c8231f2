import Bytes

/// The boot sector of a FAT volume (ECMA-107; Microsoft's FAT specification, revision 1.03).
struct BootSector: Hashable, Sendable {
  /// Where the fields lie, in bytes.
  enum Offset {
    static let systemName = 3
    static let sectorSize = 11
    static let sectorsPerCluster = 13
    static let reservedSectors = 14
    static let tableCount = 16
    static let rootEntries = 17
    static let sectors16 = 19
    static let media = 21
    static let tableSectors16 = 22
    static let sectors32 = 32
    /// FAT32 only, up to `backupSector`.
    static let tableSectors32 = 36
    static let mirroring = 40
    static let version = 42
    static let rootCluster = 44
    static let infoSector = 48
    static let backupSector = 50
    /// The extended part starts at 36 on FAT12 and FAT16 and at 64 on FAT32; these are offsets in it.
    static let state = 1
    static let extendedMark = 2
    static let serial = 3
    static let label = 7
    static let typeName = 18
    static let bootMark = 510
  }
  /// Bytes of the sector that matter, whatever its size.
  static let size = 512

  /// Size of a sector in bytes: 512, 1024, 2048 or 4096.
  let sectorSize: UInt32
  /// A power of two.
  let sectorsPerCluster: UInt8
  let reservedSectors: UInt16
  let tableCount: UInt8
  /// Entries of the root directory's own area; 0 on FAT32.
  let rootEntries: UInt16
  let sectorCount: UInt32
  let media: UInt8
  let tableSectors: UInt32
  /// The fields that only FAT32 has.
  let wide: WideFields?
  /// Bit 0: not unmounted; bit 1: its sectors are to be tested; nil without the extended part.
  let state: UInt8?
  let serial: UInt32?
  /// The eleven bytes of the label, padded with spaces.
  let label: [UInt8]?

  /// The fields that only FAT32 has.
  struct WideFields: Hashable, Sendable {
    /// Bit 7: only the table whose number bits 0–3 are is kept up to date.
    let mirroring: UInt16
    let version: UInt16
    let rootCluster: UInt32
    /// The sector of the counts; 0 and 0xffff for none.
    let infoSector: UInt16
    /// The sector of the copy of the boot sector; 0 and 0xffff for none.
    let backupSector: UInt16
  }

  /// The fields of a volume's first sector; throws where they are not FAT's or cannot be.
  init(parsing bytes: RawSpan) throws(LayoutError) {
    try bytes.require(Self.size, of: "boot sector")
    sectorSize = UInt32(bytes.littleEndian(at: Offset.sectorSize, as: UInt16.self))
    sectorsPerCluster = bytes.littleEndian(at: Offset.sectorsPerCluster)
    reservedSectors = bytes.littleEndian(at: Offset.reservedSectors)
    tableCount = bytes.littleEndian(at: Offset.tableCount)
    rootEntries = bytes.littleEndian(at: Offset.rootEntries)
    media = bytes.littleEndian(at: Offset.media)
    let sectors16: UInt16 = bytes.littleEndian(at: Offset.sectors16)
    sectorCount = sectors16 != 0 ? UInt32(sectors16) : bytes.littleEndian(at: Offset.sectors32)
    let tableSectors16: UInt16 = bytes.littleEndian(at: Offset.tableSectors16)
    let isWide = tableSectors16 == 0
    tableSectors = isWide ? bytes.littleEndian(at: Offset.tableSectors32) : UInt32(tableSectors16)
    wide = isWide ? WideFields(parsing: bytes) : nil
    let extended = Self.extendedPart(isWide: isWide)
    let mark: UInt8 = bytes.littleEndian(at: extended + Offset.extendedMark)
    let hasSerial = mark == 0x28 || mark == 0x29
    state = hasSerial ? bytes.littleEndian(at: extended + Offset.state) : nil
    serial = hasSerial ? bytes.littleEndian(at: extended + Offset.serial) : nil
    label = mark == 0x29 ? bytes.slice(extended + Offset.label, 11).array : nil
    try check()
  }

  /// Where the extended part starts.
  static func extendedPart(isWide: Bool) -> Int { isWide ? 64 : 36 }

  /// Throws unless the numbers are ones that a FAT volume has.
  private func check() throws(LayoutError) {
    guard 512...4096 ~= sectorSize, sectorSize.nonzeroBitCount == 1 else {
      throw LayoutError("its sectors would have \(sectorSize) bytes", at: Offset.sectorSize)
    }
    guard sectorsPerCluster.nonzeroBitCount == 1 else {
      throw LayoutError("its clusters would have \(sectorsPerCluster) sectors", at: Offset.sectorsPerCluster)
    }
    guard reservedSectors > 0 else {
      throw LayoutError("it leaves no sector for itself", at: Offset.reservedSectors)
    }
    guard tableCount > 0 else { throw LayoutError("it has no allocation table", at: Offset.tableCount) }
    guard media >= 0xf8 || media == 0xf0 else {
      throw LayoutError("its media byte is \(UInt64(media).hex)", at: Offset.media)
    }
    guard tableSectors > 0 else {
      throw LayoutError("its allocation tables have no sectors", at: Offset.tableSectors16)
    }
    guard firstDataSector <= UInt64(sectorCount) else {
      throw LayoutError(
        "its tables end at sector \(firstDataSector), behind the volume's \(sectorCount) sectors",
        at: Offset.sectors32)
    }
  }

  /// Sectors of the root directory's own area.
  var rootSectors: UInt64 { (UInt64(rootEntries) * 32 + UInt64(sectorSize) - 1) / UInt64(sectorSize) }
  /// The sector of the root directory's own area, behind the tables.
  var rootSector: UInt64 { UInt64(reservedSectors) + UInt64(tableCount) * UInt64(tableSectors) }
  /// The sector of cluster 2.
  var firstDataSector: UInt64 { rootSector + rootSectors }
  /// Clusters that the sectors are enough for, whatever the tables hold.
  var announcedClusters: UInt64 { (UInt64(sectorCount) - firstDataSector) / UInt64(sectorsPerCluster) }
  /// Size of a cluster in bytes, at most 512 KiB.
  var clusterSize: UInt64 { UInt64(sectorSize) * UInt64(sectorsPerCluster) }
  /// Size of the filesystem in bytes.
  var byteCount: UInt64 { UInt64(sectorCount) * UInt64(sectorSize) }
}

extension BootSector.WideFields {
  init(parsing bytes: RawSpan) {
    mirroring = bytes.littleEndian(at: BootSector.Offset.mirroring)
    version = bytes.littleEndian(at: BootSector.Offset.version)
    rootCluster = bytes.littleEndian(at: BootSector.Offset.rootCluster)
    infoSector = bytes.littleEndian(at: BootSector.Offset.infoSector)
    backupSector = bytes.littleEndian(at: BootSector.Offset.backupSector)
  }

  /// The one table that is kept up to date; nil where all are.
  var onlyActiveTable: UInt8? { mirroring & 0x80 != 0 ? UInt8(mirroring & 0x0f) : nil }
}

extension BootSector {
  /// Whether the sector, whose fields are FAT's, also looks like a boot sector of FAT and of no other filesystem.
  static func isMarked(_ bytes: RawSpan) -> Bool {
    guard bytes.byteCount >= size else { return false }
    func has(_ text: StaticString, at offset: Int) -> Bool {
      let wanted = Array("\(text)".utf8)
      return bytes.slice(offset, wanted.count).array == wanted
    }
    if has("NTFS    ", at: 3) || has("EXFAT   ", at: 3) || has("-FVE-FS-", at: 3) { return false }
    if has("FAT32   ", at: 82) || has("FAT1", at: 54) || has("FAT     ", at: 54) { return true }
    let jump: UInt8 = bytes.littleEndian(at: 0)
    return bytes.littleEndian(at: Offset.bootMark, as: UInt16.self) == 0xaa55 && (jump == 0xeb || jump == 0xe9)
      && !has("JFS     ", at: 3) && !has("HPFS    ", at: 3)
  }

  /// Sets or clears the bit of the state byte that says that the volume is in use, in the sector's bytes.
  static func store(isInUse: Bool, isWide: Bool, into bytes: inout MutableRawSpan) {
    let place = extendedPart(isWide: isWide) + Offset.state
    let old: UInt8 = bytes.bytes.littleEndian(at: place)
    bytes.store(littleEndian: isInUse ? old | 1 : old & ~1, at: place)
  }
}
