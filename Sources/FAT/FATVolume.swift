package import BlockIO
import Bytes
package import Filesystems

/// A FAT12, FAT16 or FAT32 volume, read as Linux's vfat and Windows read it.
///
/// Times are stored as a clock showed them, without its zone; they are taken to be UTC.
package final class FATVolume: Filesystem {
  package let type = FATVolume.format
  static let format = "vfat"

  let volume: any BlockSource
  let boot: BootSector
  /// What is wrong with the first sector, where `boot` is its copy.
  let bootDamage: String?
  let heap: ClusterHeap
  /// The table that is followed.
  let table: FileAllocationTable
  /// Directories' blocks.
  let cache: MetadataCache
  /// The directories last used, the latest last.
  private var directories: [Directory] = []
  private static let maximumDirectoryCount = 16
  private var freeClusterCount: UInt32?
  package private(set) var identity: VolumeIdentity
  package private(set) var warnings: [String] = []
  package var ignoresCase: Bool { true }

  /// Opens the volume; throws `ImageError` where its boot sector is none of FAT's or does not fit the volume.
  ///
  /// Of a FAT32 volume whose boot sector is damaged the copy is read, which a warning says.
  package init(_ volume: any BlockSource) throws {
    self.volume = volume
    (boot, bootDamage) = try FATVolume.bootSector(of: volume)
    let width = try FATVolume.width(of: boot)
    heap = try FATVolume.heap(of: volume, boot, width)
    let number = boot.wide?.onlyActiveTable ?? 0
    let hasNumber = number < boot.tableCount
    let sector = UInt64(boot.reservedSectors) + (hasNumber ? UInt64(number) * UInt64(boot.tableSectors) : 0)
    table = try FileAllocationTable(width, at: sector * UInt64(boot.sectorSize), heap: heap)
    cache = MetadataCache(of: volume, byteCount: 512 << 10)
    identity = VolumeIdentity(type: FATVolume.format, label: nil, uuid: nil)
    try heap.requireInside(0, heap.start)
    if let root = boot.wide?.rootCluster, !heap.contains(root) {
      throw heap.damaged(
        "the root directory is said to start at cluster \(root), but clusters are 2 to \(heap.endCluster - 1)",
        at: UInt64(BootSector.Offset.rootCluster))
    }
    warnings += copySentences()
    if !hasNumber {
      warnings.append("Table \(number) is said to be the active one, but there is none; table 0 is read.")
    }
    warnings += stateSentences() + sizeSentences()
    if let version = boot.wide?.version, version != 0 {
      warnings.append("The volume is of FAT32's version \(version >> 8).\(version & 0xff), which nothing is known of.")
    }
    identity = VolumeIdentity(
      type: FATVolume.format, label: try rootLabel(), uuid: FATVolume.serialText(boot.serial),
      features: ["FAT\(width == .bits28 ? 32 : width.rawValue)"])
  }

  /// The clusters; those that the table has no entry for cannot be used, as in Linux.
  private static func heap(
    of volume: any BlockSource, _ boot: BootSector, _ width: FileAllocationTable.Width
  ) throws -> ClusterHeap {
    let entries = width.entries(in: UInt64(boot.tableSectors) * UInt64(boot.sectorSize))
    guard entries >= 2 else {
      throw ImageError(
        .damaged, format: format, offset: UInt64(BootSector.Offset.tableSectors16), "the allocation table is too small")
    }
    return ClusterHeap(
      of: volume, format: format, start: boot.firstDataSector * UInt64(boot.sectorSize),
      clusterSize: boot.clusterSize, clusterCount: UInt32(min(boot.announcedClusters, entries - 2)))
  }

  /// The boot sector, or its copy and what is wrong with the first.
  private static func bootSector(of volume: any BlockSource) throws -> (BootSector, damage: String?) {
    guard volume.byteCount >= UInt64(BootSector.size) else {
      throw ImageError(
        .damaged, format: format, "the volume of \(volume.byteCount) bytes is too small for a boot sector")
    }
    let block = try MetadataBlock(of: volume, at: 0, count: BootSector.size)
    do {
      return (try BootSector(parsing: block.bytes), nil)
    } catch {
      if let copy = try BootSector.copy(on: volume) { return (copy, error.detail) }
      throw ImageError(
        .damaged, format: format, offset: UInt64(error.offset), "the boot sector is damaged: \(error.detail)")
    }
  }

  /// Bits of a table's entry, which the number of clusters decides; FAT32 shows itself by its tables' size, as in Linux.
  private static func width(of boot: BootSector) throws -> FileAllocationTable.Width {
    let count = boot.announcedClusters
    let width: FileAllocationTable.Width = boot.wide != nil ? .bits28 : count < 4085 ? .bits12 : .bits16
    guard count <= (width == .bits28 ? 0x0fff_fff5 : 65524) else {
      throw ImageError(
        .damaged, format: format, offset: UInt64(BootSector.Offset.sectors32),
        "the boot sector is damaged: it announces \(count) clusters, more than its tables can have entries for")
    }
    return width
  }

  /// A serial number as blkid(8) prints it; nil for 0.
  static func serialText(_ serial: UInt32?) -> String? {
    guard let serial, serial != 0 else { return nil }
    let digits = String(serial, radix: 16, uppercase: true)
    let padded = String(repeating: "0", count: 8 - digits.count) + digits
    return padded.prefix(4) + "-" + padded.suffix(4)
  }

  /// The label in the root directory; none where that is damaged, of which its listing tells.
  private func rootLabel() throws -> String? {
    do {
      return try directory(root).label()
    } catch let error as ImageError {
      warnings.append("The label cannot be read: \(error.detail).")
      return nil
    }
  }

  package let root = FileID(0)

  package func statistics() throws -> VolumeStatistics {
    VolumeStatistics(
      blockSize: UInt32(heap.clusterSize), blockCount: UInt64(heap.clusterCount),
      freeBlockCount: UInt64(try countFreeClusters()))
  }

  /// Free clusters, counted in the table.
  func countFreeClusters() throws -> UInt32 {
    if let freeClusterCount { return freeClusterCount }
    let free = try table.countFree()
    freeClusterCount = free
    return free
  }

  package func allocation(at offset: UInt64, limit: UInt64) throws -> Extent {
    if offset < heap.start { return Extent(.data, offset: offset, length: min(limit, heap.start) - offset) }
    guard offset < heap.end else { return Extent(.unused, offset: offset, length: limit - offset) }
    let first = (offset - heap.start) / heap.clusterSize + 2
    let last = min((limit - 1 - heap.start) / heap.clusterSize + 3, heap.endCluster)
    let isFree = try table.next(isFree: true, from: first, limit: first + 1) == first
    let end = try table.next(isFree: !isFree, from: first, limit: last)
    let byte = heap.start + (end - 2) * heap.clusterSize
    return Extent(isFree ? .unused : .data, offset: offset, length: min(byte, limit) - offset)
  }

  /// Forgets the directories and the count of free clusters, after chains were changed.
  func forget() {
    directories.removeAll()
    freeClusterCount = nil
  }

  /// Forgets the block with the directory entry at `offset`, after it was changed.
  func forgetEntry(at offset: UInt64) {
    let largest = DirectorySlots.maximumBlockSize
    let isInArea = offset < heap.start
    let base = isInArea ? boot.rootSector * UInt64(boot.sectorSize) : heap.start
    cache.remove(at: base + (offset - base).roundedDown(to: isInArea ? largest : min(heap.clusterSize, largest)))
  }

  /// The directory that `file` stands for; throws `FileError` where it is none.
  func directory(_ file: FileID) throws -> Directory {
    let first = try firstCluster(ofDirectory: file)
    if let index = directories.lastIndex(where: { $0.firstCluster == first }) {
      let found = directories.remove(at: index)
      directories.append(found)
      return found
    }
    let slots =
      first == 0
      ? DirectorySlots(
        areaAt: boot.rootSector * UInt64(boot.sectorSize), byteCount: UInt64(boot.rootEntries) * 32, heap: heap,
        cache: cache)
      : DirectorySlots(try ClusterChain(from: first, in: heap, table: table), cache: cache)
    let directory = Directory(slots, firstCluster: first, isWide: boot.wide != nil)
    if directories.count == Self.maximumDirectoryCount { directories.removeFirst() }
    directories.append(directory)
    return directory
  }

  /// The first cluster of a directory; 0 for the old root's area.
  func firstCluster(ofDirectory file: FileID) throws -> UInt32 {
    if file == root { return boot.wide?.rootCluster ?? 0 }
    let entry = try entry(of: file)
    guard entry.attributes.kind == .directory else { throw FileError(.notADirectory, Self.name(of: file)) }
    guard entry.firstCluster != 0 else {
      throw heap.damaged("the directory \(entry.printable) has no cluster", at: file.number * 32)
    }
    return entry.firstCluster
  }

  /// How errors call a file whose path is not known.
  static func name(of file: FileID) -> String { "entry \(file.number)" }

  /// The directory entry that lies `file.number` times 32 bytes from the volume's start.
  func entry(of file: FileID) throws -> ShortEntry {
    guard let offset = file.number.multiplied(by: UInt64(ShortEntry.size)), file != root else {
      throw FileError(.notFound, Self.name(of: file))
    }
    let area = boot.rootSector * UInt64(boot.sectorSize)
    let largest = DirectorySlots.maximumBlockSize
    let (base, unit) = offset < heap.start ? (area, largest) : (heap.start, min(heap.clusterSize, largest))
    guard offset >= area, offset < heap.end else { throw FileError(.notFound, Self.name(of: file)) }
    let start = base + (offset - base).roundedDown(to: unit)
    let count = offset < heap.start ? min(unit, area + UInt64(boot.rootEntries) * 32 - start) : unit
    try heap.requireInside(start, count)
    let block = try cache.block(at: start, count: Int(count))
    guard Int(offset - start) + ShortEntry.size <= block.count else {
      throw FileError(.notFound, Self.name(of: file))
    }
    return ShortEntry(block.bytes, at: Int(offset - start), isWide: boot.wide != nil)
  }
}

extension FilesystemType {
  /// FAT12, FAT16 and FAT32.
  package static let fat = FilesystemType(
    name: "FAT12/16/32",
    probe: { volume in
      guard volume.byteCount >= UInt64(BootSector.size) else { return false }
      let block = try MetadataBlock(of: volume, at: 0, count: BootSector.size)
      guard BootSector.isMarked(block.bytes) else { return false }
      return (try? BootSector(parsing: block.bytes)) != nil
    },
    probeCopy: { try BootSector.copy(on: $0) != nil },
    open: { try FATVolume($0) },
    openForWriting: { try WritableFATVolume($0, isRehearsal: $1) })
}
