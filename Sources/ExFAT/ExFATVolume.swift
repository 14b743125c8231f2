package import BlockIO
import Bytes
package import Filesystems

/// An exFAT volume (Microsoft's exFAT specification, revision 1.00).
package final class ExFATVolume: Filesystem {
  package let type = ExFATVolume.format
  static let format = "exfat"

  let volume: any BlockSource
  let boot: BootSector
  let heap: ClusterHeap
  let table: FileAllocationTable
  /// Directories' blocks.
  let cache: MetadataCache
  /// What the root directory says of the volume.
  let description: VolumeEntries
  /// The directories last used, the latest last.
  private var directories: [(file: FileID, directory: Directory)] = []
  private static let maximumDirectoryCount = 16
  package let identity: VolumeIdentity
  package let warnings: [String]
  package var ignoresCase: Bool { true }

  /// Opens the volume; throws `ImageError` where neither boot region describes one that fits.
  package init(_ volume: any BlockSource) throws {
    let (boot, sentence) = try ExFATVolume.boot(of: volume)
    let sector = boot.sectorSize
    let heap = ClusterHeap(
      of: volume, format: ExFATVolume.format, start: UInt64(boot.heapOffset) * sector, clusterSize: boot.clusterSize,
      clusterCount: boot.clusterCount)
    let isSecond = boot.tableCount == 2 && boot.flags.contains(.secondTable)
    let tableSector = UInt64(boot.tableOffset) + (isSecond ? UInt64(boot.tableLength) : 0)
    table = try FileAllocationTable(.bits32, at: tableSector * sector, heap: heap)
    cache = MetadataCache(of: volume, byteCount: 512 << 10)
    try heap.requireInside(0, heap.start)
    let chain = try ClusterChain(from: boot.rootCluster, in: heap, table: table)
    let root = Directory(
      DirectorySlots(chain, cache: cache), heap: heap, firstCluster: boot.rootCluster, isOnePiece: false)
    description = try VolumeEntries(in: root, heap: heap, table: table, isSecond: isSecond)
    var warnings = sentence.map { [$0] } ?? []
    warnings += ExFATVolume.stateSentences(boot.flags) + description.faults
    if boot.byteCount > volume.byteCount {
      warnings.append(ExFATVolume.sizeSentence(boot, volume))
    }
    self.warnings = warnings
    self.volume = volume
    self.boot = boot
    self.heap = heap
    identity = VolumeIdentity(
      type: ExFATVolume.format, label: description.label, uuid: ExFATVolume.serialText(boot.serial),
      features: boot.tableCount == 2 ? ["TexFAT"] : [])
    directories.append((ExFATVolume.rootFile, root))
  }

  /// The main boot region's fields, or the backup's where the main is damaged, with a sentence about that.
  private static func boot(of volume: any BlockSource) throws -> (BootSector, String?) {
    guard volume.byteCount >= UInt64(BootSector.size) else {
      throw ImageError(
        .damaged, format: format, "the volume of \(volume.byteCount) bytes is too small for a boot sector")
    }
    let reason: String
    let block = try MetadataBlock(of: volume, at: 0, count: BootSector.size)
    do {
      let sectorSize = try BootSector(parsing: block.bytes).sectorSize
      let region = try BootRegion(of: volume, isBackup: false, sectorSize: sectorSize)
      if region.isSound { return (region.sector, nil) }
      reason = "its checksum does not match"
    } catch let error as LayoutError {
      reason = error.detail
    }
    for sectorSize: UInt64 in [512, 1024, 2048, 4096] {
      guard let region = try? BootRegion(of: volume, isBackup: true, sectorSize: sectorSize), region.isSound else {
        continue
      }
      return (region.sector, "The main boot region is damaged (\(reason)); its backup was used. Run fsck.exfat on it.")
    }
    throw ImageError(
      .damaged, format: format, offset: 0, "the boot region is damaged (\(reason)), and so is its backup")
  }

  /// A serial number as blkid(8) prints it; nil for 0.
  private static func serialText(_ serial: UInt32) -> String? {
    guard serial != 0 else { return nil }
    let digits = String(serial, radix: 16, uppercase: true)
    let padded = String(repeating: "0", count: 8 - digits.count) + digits
    return padded.prefix(4) + "-" + padded.suffix(4)
  }

  /// Whether the volume was left in use or with errors.
  static func stateSentences(_ flags: BootSector.Flags) -> [String] {
    var sentences: [String] = []
    if flags.contains(.dirty) { sentences.append("The volume was not unmounted cleanly; run fsck.exfat on it.") }
    if flags.contains(.mediaFailure) {
      sentences.append("Errors were met when the volume was last read or written; its medium is to be tested.")
    }
    return sentences
  }

  static func sizeSentence(_ boot: BootSector, _ volume: any BlockSource) -> String {
    "The filesystem has \(describeSize(boot.byteCount)), but the volume ends after \(describeSize(volume.byteCount))."
  }

  private static let rootFile = FileID(0)
  package let root = ExFATVolume.rootFile

  package func statistics() throws -> VolumeStatistics {
    let used = try bitmap().countUsed()
    return VolumeStatistics(
      blockSize: UInt32(heap.clusterSize), blockCount: UInt64(heap.clusterCount),
      freeBlockCount: UInt64(heap.clusterCount) - used)
  }

  /// The bitmap; throws where there is none.
  func bitmap() throws -> AllocationBitmap {
    guard let bitmap = description.bitmap else { throw heap.damaged("the root directory names no bitmap of clusters") }
    return bitmap
  }

  package func allocation(at offset: UInt64, limit: UInt64) throws -> Extent {
    if offset < heap.start { return Extent(.data, offset: offset, length: min(limit, heap.start) - offset) }
    guard offset < heap.end else { return Extent(.unused, offset: offset, length: limit - offset) }
    let bitmap = try bitmap()
    let first = (offset - heap.start) / heap.clusterSize + 2
    let last = min((limit - 1 - heap.start) / heap.clusterSize + 3, heap.endCluster)
    let isUsed = try bitmap.isUsed(UInt32(first))
    let end = try bitmap.next(isUsed: !isUsed, from: first, limit: last)
    let byte = heap.start + (end - 2) * heap.clusterSize
    return Extent(isUsed ? .data : .unused, offset: offset, length: min(byte, limit) - offset)
  }

  /// Forgets the directories, after their entries or chains were changed.
  func forget() { directories.removeAll() }

  /// Forgets the block with the directory entry at `offset`, after it was changed.
  func forgetEntry(at offset: UInt64) {
    let unit = min(heap.clusterSize, DirectorySlots.maximumBlockSize)
    cache.remove(at: heap.start + (offset - heap.start).roundedDown(to: unit))
  }

  /// The directory that `file` stands for; throws `FileError` where it is none.
  func directory(_ file: FileID) throws -> Directory {
    if let index = directories.lastIndex(where: { $0.file == file }) {
      let found = directories.remove(at: index)
      directories.append(found)
      return found.directory
    }
    let directory = try makeDirectory(file)
    if directories.count == Self.maximumDirectoryCount { directories.removeFirst() }
    directories.append((file, directory))
    return directory
  }

  private func makeDirectory(_ file: FileID) throws -> Directory {
    if file == root {
      let chain = try ClusterChain(from: boot.rootCluster, in: heap, table: table)
      return Directory(
        DirectorySlots(chain, cache: cache), heap: heap, firstCluster: boot.rootCluster, isOnePiece: false)
    }
    let set = try entrySet(of: file)
    guard set.attributes.kind == .directory else { throw FileError(.notADirectory, Self.name(of: file)) }
    let slots =
      try chain(of: set, file).map { DirectorySlots($0, byteCount: set.stream.byteCount, cache: cache) }
      ?? DirectorySlots(areaAt: heap.start, byteCount: 0, heap: heap, cache: cache)
    return Directory(
      slots, heap: heap, firstCluster: set.stream.firstCluster, isOnePiece: set.stream.isOnePiece)
  }

  /// The clusters of a file or directory; nil where it is empty.
  func chain(of set: EntrySet, _ file: FileID) throws -> ClusterChain? {
    let stream = set.stream
    guard stream.byteCount > 0 else { return nil }
    let count = heap.clusters(for: stream.byteCount)
    guard heap.contains(stream.firstCluster), count <= UInt64(heap.clusterCount) else {
      throw heap.damaged(
        "\(set.printable) has \(stream.byteCount) bytes from cluster \(stream.firstCluster) on, but the volume has "
          + "\(heap.clusterCount) clusters of \(heap.clusterSize) bytes", at: file.number * 32)
    }
    return try ClusterChain(
      from: stream.firstCluster, in: heap, table: table, pieceCount: stream.isOnePiece ? count : nil)
  }

  /// How errors call a file whose path is not known.
  static func name(of file: FileID) -> String { "entry \(file.number)" }

  /// The bit of a file's context that tells that its directory lies in one piece; the bits below are its first cluster.
  static let onePieceBit: UInt64 = 1 << 32

  /// The entries of the file whose first one lies `file.number` times 32 bytes from the volume's start.
  func entrySet(of file: FileID) throws -> EntrySet { try found(file).set }

  /// That file's entries as its directory holds them; the slots are counted from the cluster that the first lies in.
  func found(_ file: FileID) throws -> Directory.Found {
    let slotSize = UInt64(DirectorySlots.slotSize)
    guard let offset = file.number.multiplied(by: slotSize), offset >= heap.start, offset < heap.end else {
      throw FileError(.notFound, Self.name(of: file))
    }
    let cluster = UInt32((offset - heap.start) / heap.clusterSize + 2)
    // The other entries, 255 at most, may lie in the clusters that follow.
    let pieceCount = min(heap.clusters(for: 256 * slotSize) + 1, heap.endCluster - UInt64(cluster))
    let chain = try ClusterChain(
      from: cluster, in: heap, table: table, pieceCount: file.context & Self.onePieceBit != 0 ? pieceCount : nil)
    let directory = Directory(
      DirectorySlots(chain, cache: cache), heap: heap, firstCluster: UInt32(truncatingIfNeeded: file.context),
      isOnePiece: false)
    var found: Directory.Found?
    try directory.forEachFile(from: (offset - heap.start) % heap.clusterSize / slotSize) {
      if $0.offset == offset { found = $0 }
      return false
    }
    guard let found else { throw FileError(.notFound, Self.name(of: file)) }
    return found
  }
}

extension EntrySet {
  /// The name, for errors.
  var printable: String { FileName(utf16: name).description }
}

extension FilesystemType {
  /// exFAT, of which a backup boot region is enough to be recognised.
  package static let exFAT = FilesystemType(
    name: "exFAT",
    probe: { volume in
      guard volume.byteCount >= UInt64(BootSector.size) else { return false }
      let block = try MetadataBlock(of: volume, at: 0, count: BootSector.size)
      return BootSector.isMarked(block.bytes)
    },
    open: { try ExFATVolume($0) },
    openForWriting: { try WritableExFATVolume($0, isRehearsal: $1) })
}
