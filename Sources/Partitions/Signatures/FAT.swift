import Bytes

/// The boot sector of a FAT volume: the checks that tell it from an MBR (ECMA-107, Microsoft's FAT specification).
struct FATBootSector {
  let sectorSize: UInt64
  let clusterSectors: UInt64
  let reservedSectors: UInt64
  let tables: UInt64
  let tableSectors: UInt64
  let rootEntries: UInt64
  let clusters: UInt64
  let isFAT32: Bool

  /// The fields of the sector at a volume's start, or nil where they are not FAT's.
  init?(_ block: Block) {
    let sectorSize = UInt64(block.little(11, UInt16.self))
    let clusterSectors = UInt64(block.little(13, UInt8.self))
    let reserved = UInt64(block.little(14, UInt16.self))
    let tables = UInt64(block.little(16, UInt8.self))
    let media: UInt8 = block.little(21)
    let short = UInt64(block.little(22, UInt16.self))
    let long = UInt64(block.little(36, UInt32.self))
    guard Self.isMarked(block), 512...4096 ~= sectorSize, sectorSize.nonzeroBitCount == 1,
      clusterSectors.nonzeroBitCount == 1, reserved > 0, tables > 0, media >= 0xf8 || media == 0xf0,
      short > 0 || long > 0
    else { return nil }
    rootEntries = UInt64(block.little(17, UInt16.self))
    tableSectors = short > 0 ? short : long
    let root = (rootEntries * 32 + sectorSize - 1) / sectorSize
    let small: UInt16 = block.little(19)
    let all = small > 0 ? UInt64(small) : UInt64(block.little(32, UInt32.self))
    let taken = reserved + tables * tableSectors + root
    guard all >= taken else { return nil }
    clusters = (all - taken) / clusterSectors
    isFAT32 = short == 0
    guard clusters <= (isFAT32 ? 0x0fff_fff6 : 0xfff4) else { return nil }
    (self.sectorSize, self.clusterSectors) = (sectorSize, clusterSectors)
    (self.reservedSectors, self.tables) = (reserved, tables)
  }

  /// The text that FAT writes of its own type, and where.
  static let names = [
    ("FAT32   ", 82), ("MSWIN", 82), ("MSDOS", 54), ("FAT16   ", 54), ("FAT12   ", 54), ("FAT     ", 54),
  ]

  /// Whether the sector names FAT, or has boot code's jump and end and no other system's name.
  private static func isMarked(_ block: Block) -> Bool {
    if names.contains(where: { block.has($0.0, at: $0.1) }) { return true }
    let jump: UInt8 = block.little(0)
    return block.little(510, UInt16.self) == 0xaa55 && (jump == 0xeb || jump == 0xe9)
      && !block.has("JFS     ", at: 3) && !block.has("HPFS    ", at: 3)
  }

  var version: String { isFAT32 ? "FAT32" : clusters < 0xff4 ? "FAT12" : "FAT16" }
  /// First byte of the root directory of FAT12 and FAT16, and of the clusters of FAT32.
  var rootOffset: UInt64 { (reservedSectors + tables * tableSectors) * sectorSize }
}

extension FilesystemSignature {
  /// FAT12, FAT16 and FAT32.
  static func fat(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(0, 512), let boot = FATBootSector(block), !isOtherBootSector(block) else {
      return nil
    }
    var magics = FATBootSector.names.filter { block.has($0.0, at: $0.1) }
      .map { UInt64($0.1)..<UInt64($0.1 + $0.0.utf8.count) }
    magics += bootMark(block)
    if [0xeb, 0xe9].contains(block.little(0, UInt8.self)) { magics.append(0..<1) }
    var result = FilesystemSignature("vfat", magics: magics)
    result.version = boot.version
    result.uuid = block.serial(boot.isFAT32 ? 67 : 39)
    result.label =
      boot.isFAT32
      ? try fat32Label(&volume, boot, root: block.little(44))
      : try fatLabel(&volume, at: boot.rootOffset, count: Int(boot.rootEntries * 32))
    return result
  }

  /// The place of the mark 55 AA of a boot sector, if it is there.
  static func bootMark(_ block: Block) -> [Range<UInt64>] {
    block.little(510, UInt16.self) == 0xaa55 ? [510..<512] : []
  }

  private static func isOtherBootSector(_ block: Block) -> Bool {
    ["NTFS    ", "EXFAT   ", "-FVE-FS-"].contains { block.has($0, at: 3) }
  }

  /// The volume's entry in the `count` bytes of directory at `offset`.
  private static func fatLabel(_ volume: inout Volume, at offset: UInt64, count: Int) throws -> String? {
    guard let directory = try volume.block(offset, count) else { return nil }
    for entry in stride(from: 0, to: count - 31, by: 32) {
      let first: UInt8 = directory.little(entry)
      let attributes: UInt8 = directory.little(entry + 11)
      if first == 0 { return nil }
      guard first != 0xe5, attributes & 0x3f != 0x0f, attributes & 0x18 == 0x08,
        directory.little(entry + 26, UInt16.self) == 0, directory.little(entry + 20, UInt16.self) == 0
      else { continue }
      var name = directory.slice(entry, 11)
      if first == 0x05 { name[0] = 0xe5 }
      return Block(offset: 0, bytes: name).label(0, 11)
    }
    return nil
  }

  /// The volume's entry in the first hundred clusters of the root directory.
  private static func fat32Label(_ volume: inout Volume, _ boot: FATBootSector, root: UInt32) throws -> String? {
    var cluster = UInt64(root)
    let size = boot.clusterSectors * boot.sectorSize
    for _ in 0..<100 {
      guard cluster >= 2, cluster < boot.clusters + 2 else { return nil }
      let offset = boot.rootOffset + (cluster - 2) * size
      if let label = try fatLabel(&volume, at: offset, count: Int(size)) { return label }
      guard let next = try volume.block(boot.reservedSectors * boot.sectorSize + cluster * 4, 4) else { return nil }
      cluster = UInt64(next.little(0, UInt32.self) & 0x0fff_ffff)
    }
    return nil
  }

  /// exFAT (Microsoft's exFAT specification).
  static func exFAT(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(0, 512, magic: "EXFAT   ", at: 3) else { return nil }
    let sectorShift: UInt8 = block.little(108)
    let clusterShift: UInt8 = block.little(109)
    guard 9...12 ~= sectorShift, clusterShift <= 25 - sectorShift else { return nil }
    var result = FilesystemSignature("exfat", magics: [3..<11] + bootMark(block))
    result.uuid = block.serial(100)
    result.version = "\(block.little(105, UInt8.self)).\(block.little(104, UInt8.self))"
    let table = UInt64(block.little(80, UInt32.self)) << UInt64(sectorShift)
    let heap = UInt64(block.little(88, UInt32.self)) << UInt64(sectorShift)
    let clusterSize = UInt64(1) << UInt64(sectorShift + clusterShift)
    var cluster = UInt64(block.little(96, UInt32.self))
    for _ in 0..<100 {
      guard cluster >= 2, cluster <= UInt64(block.little(92, UInt32.self)) + 1 else { break }
      // A label stands among the first entries; 64 KiB of each cluster are enough.
      let count = Int(min(clusterSize, 65536))
      guard let directory = try volume.block(heap + (cluster - 2) * clusterSize, count) else { break }
      for entry in stride(from: 0, to: count - 31, by: 32) {
        let type: UInt8 = directory.little(entry)
        if type == 0 { return result }
        guard type == 0x83 else { continue }
        result.label = directory.wideLabel(entry + 2, min(Int(directory.little(entry + 1, UInt8.self)), 15))
        return result
      }
      guard let next = try volume.block(table + cluster * 4, 4) else { break }
      cluster = UInt64(next.little(0, UInt32.self))
    }
    return result
  }
}
