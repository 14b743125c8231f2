import BlockIO
import Bytes
import Filesystems

/// Opens a volume: its superblock, its features, and its journal where one waits.
enum VolumeOpening {
  /// Whether the volume bears an ext superblock and is no journal device.
  static func probe(_ source: any BlockSource) throws -> Bool {
    guard let block = try read(source), Superblock.isPlausible(block.bytes) else { return false }
    let features: UInt32 = block.bytes.littleEndian(at: Superblock.Field.incompatible)
    return !IncompatibleFeatures(rawValue: features).contains(.journalDevice)
  }

  /// The superblock's bytes; nil where the source is too short.
  private static func read(_ source: any BlockSource) throws -> MetadataBlock? {
    guard source.byteCount >= Superblock.offset + UInt64(Superblock.byteCount) else { return nil }
    return try MetadataBlock(of: source, at: Superblock.offset, count: Superblock.byteCount)
  }

  private static func superblock(of source: any BlockSource) throws -> Superblock {
    guard let block = try read(source) else {
      throw ImageError(.damaged, format: "ext4", "the volume ends before its superblock")
    }
    do throws(LayoutError) { return try Superblock(parsing: block.bytes) } catch {
      throw ImageError(
        .damaged, format: "ext4", offset: Superblock.offset + UInt64(error.offset),
        "\(error.detail); e2fsck -b may find a copy of the superblock")
    }
  }

  /// Opens the volume and lists what its user should know.
  static func open(_ source: any BlockSource) throws -> (blocks: VolumeBlocks, warnings: [String]) {
    var warnings: [String] = []
    let (replayed, superblock) = try recovered(source, &warnings)
    let blocks = VolumeBlocks(replayed ?? source, superblock)
    return (blocks, warnings + remarks(about: blocks, source))
  }

  /// Opens the volume for changing it; nothing is written yet, also not what a journal still holds.
  static func open(
    writing store: any BlockStore, isRehearsal: Bool
  ) throws -> (changes: Changes, recovery: RecoveringStore, warnings: [String]) {
    var warnings: [String] = []
    let (replayed, superblock) = try recovered(store, &warnings)
    let recovery = RecoveringStore(store, replayed)
    let staged = StagedVolume(recovery, unit: superblock.blockSize, isRehearsal: isRehearsal)
    let blocks = VolumeBlocks(staged, superblock)
    return (Changes(blocks, staged), recovery, warnings + remarks(about: blocks, store))
  }

  /// The superblock as it is once the journal is written back, and the volume so; no volume where nothing waits.
  private static func recovered(
    _ source: any BlockSource, _ warnings: inout [String]
  ) throws -> (RedirectedVolume?, Superblock) {
    let superblock = try superblock(of: source)
    try requireReadable(superblock)
    guard superblock.incompatible.contains(.needsRecovery) else {
      if !superblock.state.contains(.cleanlyUnmounted) {
        warnings.append("the volume was not unmounted cleanly; what is read may be inconsistent until e2fsck has run")
      }
      return (nil, superblock)
    }
    let blocks = VolumeBlocks(source, superblock)
    guard let replayed = try replay(blocks, &warnings) else { return (nil, superblock) }
    let newer = try self.superblock(of: replayed)
    try requireReadable(newer)
    guard newer.blockBits == superblock.blockBits else {
      throw blocks.damaged("the superblock in the journal has another block size")
    }
    return (replayed, newer)
  }

  /// What the volume has recorded against itself, and who seems to use it.
  private static func remarks(about blocks: VolumeBlocks, _ source: any BlockSource) -> [String] {
    var warnings = faults(of: blocks.superblock, source)
    if blocks.superblock.incompatible.contains(.multiMountProtection), blocks.superblock.protectionBlock != 0,
      let block = try? blocks.block(blocks.superblock.protectionBlock, for: "the multiple mount protection"),
      let user = MountProtection.user(block.bytes)
    {
      warnings.append("\(user) has the volume mounted, or was cut off; what is read may change meanwhile")
    }
    return warnings
  }

  private static func requireReadable(_ superblock: Superblock) throws {
    let type = superblock.typeName
    if superblock.incompatible.contains(.journalDevice) {
      throw ImageError(.unsupported, format: type, "this is a journal for another volume and holds no files")
    }
    let unknown = superblock.incompatible.subtracting(.readable)
    guard unknown.isEmpty else {
      let names = bitNames(unknown.rawValue, IncompatibleFeatures.names, letter: "I").joined(separator: ", ")
      throw ImageError(.unsupported, format: type, "the volume uses features that cannot be read: \(names)")
    }
  }

  /// The volume with its journal laid over it; nil where nothing waits in it.
  private static func replay(_ blocks: VolumeBlocks, _ warnings: inout [String]) throws -> RedirectedVolume? {
    guard blocks.superblock.compatible.contains(.hasJournal) else {
      warnings.append("the volume says to need recovery and has no journal; e2fsck mends that")
      return nil
    }
    guard blocks.superblock.journalInode != 0 else {
      throw ImageError(
        .unsupported, format: blocks.type,
        "the volume needs recovery from a journal on another device; let e2fsck recover it first")
    }
    let log = try JournalLog(of: blocks)
    if log.superblock.error != 0 {
      warnings.append("the journal has recorded the error \(log.superblock.error); run e2fsck")
    }
    guard let (map, count) = try JournalReplay.run(log) else { return nil }
    warnings.append(
      "the volume was not unmounted cleanly; its journal (\(count) transactions, \(map.entries.count) blocks) is "
        + "replayed in memory, and nothing is written")
    guard !map.entries.isEmpty else { return nil }
    return RedirectedVolume(blocks.source, map, blockSize: blocks.blockSize)
  }

  /// What the volume has recorded against itself.
  private static func faults(of superblock: Superblock, _ source: any BlockSource) -> [String] {
    var result: [String] = []
    if superblock.state.contains(.hasErrors) || superblock.errorCount > 0 {
      let place = superblock.lastErrorFunction.isEmpty ? "" : ", the last in \(superblock.lastErrorFunction.printable)"
      result.append(
        superblock.errorCount > 0
          ? "the kernel has recorded \(superblock.errorCount) errors on this volume\(place); run e2fsck"
          : "the volume is marked as having errors; run e2fsck")
    }
    let size = superblock.blockCount << UInt64(superblock.blockBits)
    if size > source.byteCount {
      result.append(
        "the volume has \(describeSize(size)), and only \(describeSize(source.byteCount)) are there; it was cut off")
    }
    return result
  }
}
