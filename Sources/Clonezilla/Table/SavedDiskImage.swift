import BlockIO
import Bytes
import Images
package import Partitions

/// A saved disk without its partitions' contents: its table as it was, and the data in its gaps.
package struct SavedDiskImage: Sendable {
  /// The disk at the size that it had.
  package let disk: FolderDisk
  package let table: PartitionTable
  /// What the user should know, each a sentence.
  package let warnings: [String]

  /// The disk as it belongs on one of `byteCount` bytes: a GPT's backup at its end, an extended partition that reaches
  /// too far cut short; throws where the partitions do not fit.
  package func fitted(to byteCount: UInt64) throws(PartitionTable.NoFit) -> FolderDisk {
    guard byteCount != disk.byteCount || table.scheme == .gpt else { return disk }
    var fitted = disk
    if table.scheme == .gpt {
      let writes = try table.relocateBackupGPT(newDiskByteCount: byteCount)
      fitted.resize(to: byteCount)
      for write in writes { fitted.put(write.bytes, at: write.offset) }
      return fitted
    }
    let containers = table.partitions.filter(\.type.isExtended)
    // What has to fit: partitions, and the first sector of the logical ones' container.
    let ends = table.partitions.filter { !$0.type.isExtended }.map(\.end)
    let needed = (ends + containers.map { $0.start + UInt64(table.sectorSize) }).max() ?? 0
    guard needed <= byteCount else {
      throw PartitionTable.NoFit(
        "the partitions need a disk of \(describeSize(needed)) and this one has \(describeSize(byteCount))")
    }
    fitted.resize(to: byteCount)
    for container in containers where container.end > byteCount && 1...4 ~= container.number {
      var count = [UInt8](repeating: 0, count: 4)
      count.put(UInt32(clamping: (byteCount - container.start) / UInt64(table.sectorSize)), at: 0)
      fitted.put(count, at: UInt64(446 + 16 * (container.number - 1) + 12))
    }
    return fitted
  }
}

extension SavedDisk {
  /// Puts the disk's table together from the folder's files: the binary ones, and sfdisk's dump for what they lack.
  ///
  /// Nil for a disk that was saved without a table. Throws `ImageError` where the files contradict each other or the
  /// table is not sound.
  package func image(in folder: FolderFiles) throws -> SavedDiskImage? {
    let names = TableFiles(device)
    let isGPT = dump?.label == "gpt" || folder.has(names.primary) || folder.has(names.gdisk)
    guard isGPT || dump != nil || folder.has(names.record) else { return nil }
    var warnings: [String] = []
    var disk: FolderDisk
    do { disk = isGPT ? try gptDisk(names, folder, &warnings) : try mbrDisk(names, folder) } catch let error
      as LayoutError
    {
      throw folder.damaged(names.dump, error.detail)
    }
    let table: PartitionTable?
    do { table = try PartitionTable.read(from: disk, sectorSizeHint: geometry.sectorSize) } catch let error
      as ImageError
    {
      throw folder.naming(error)
    }
    guard let table, table.sectorSize == geometry.sectorSize else {
      throw folder.damaged(isGPT ? names.primary : names.record, "it is no partition table that can be read")
    }
    if let needed = table.partitions.map(\.end).max(), needed > disk.byteCount, !isGPT, geometry.byteCount == nil {
      disk.resize(to: needed)
    }
    do { try table.requireSound() } catch { throw folder.naming(error) }
    try compare(table, names, folder)
    return SavedDiskImage(disk: disk, table: table, warnings: warnings)
  }

  private func mbrDisk(_ names: TableFiles, _ folder: FolderFiles) throws -> FolderDisk {
    let size = UInt64(geometry.sectorSize)
    var end: UInt64 = 0
    for entry in dump?.entries ?? [] {
      guard let bytes = (entry.start + entry.count).multiplied(by: size) else {
        throw LayoutError("partition \(entry.number) is larger than any disk")
      }
      end = max(end, bytes)
    }
    guard let byteCount = geometry.byteCount ?? (end > 0 ? end : nil) else {
      throw folder.damaged(names.parted, "this file is missing, and no other says how large the disk was")
    }
    var disk = FolderDisk(byteCount: byteCount)
    let first = dump?.entries.map(\.start).min().map { $0 * size } ?? byteCount
    try putHidden(names, before: first, on: &disk, folder)
    let maker = dump.map { MBRFromDump($0, sectorSize: geometry.sectorSize) }
    if let record = try folder.bytes(names.record, limit: 64 << 10) {
      guard record.count >= MBRFromDump.byteCount else {
        throw folder.damaged(names.record, "it has \(record.count) bytes and must have \(MBRFromDump.byteCount)")
      }
      disk.put(Array(record.prefix(MBRFromDump.byteCount)), at: 0)
    } else if let maker {
      disk.put(try maker.firstSector(), at: 0)
    }
    guard let maker else { return disk }
    let link = try dump?.entries.first(where: MBRFromDump.isExtended).flatMap { device.partition($0.number) }
      .flatMap { try folder.bytes($0.fileName + "-ebr", limit: 64 << 10) }
    if let link, link.count < MBRFromDump.byteCount {
      throw folder.damaged(names.record, "the link of its extended partition has \(link.count) bytes")
    }
    for one in try maker.links(first: link.map { Array($0.prefix(MBRFromDump.byteCount)) }) {
      disk.put(one.bytes, at: one.offset)
    }
    return disk
  }

  private func gptDisk(_ names: TableFiles, _ folder: FolderFiles, _ warnings: inout [String]) throws -> FolderDisk {
    let saved = try savedGPT(names, folder, &warnings)
    let byteCount = max(saved.diskByteCount, geometry.byteCount ?? 0)
    var disk = FolderDisk(byteCount: byteCount)
    let first = dump?.entries.map(\.start).min()?.multiplied(by: UInt64(geometry.sectorSize))
    try putHidden(names, before: first ?? byteCount, on: &disk, folder)
    let primary = try folder.bytes(names.primary)?.prefix(geometry.sectorSize)
    if let primary, primary.count >= MBRFromDump.byteCount {
      disk.put(Array(primary), at: 0)
    } else if let record = try folder.bytes(names.record)?.prefix(MBRFromDump.byteCount), record.count == 512 {
      disk.put(Array(record), at: 0)
    } else {
      disk.put(Self.protection(sectors: byteCount / UInt64(geometry.sectorSize)), at: 0)
    }
    for write in try saved.writes() { disk.put(write.bytes, at: write.offset) }
    return disk
  }

  /// A first sector that protects a GPT (UEFI 2.10, 5.2.3).
  private static func protection(sectors: UInt64) -> [UInt8] {
    var sector = [UInt8](repeating: 0, count: MBRFromDump.byteCount)
    let entry: [UInt8] = [0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff]
    sector.replaceSubrange(446..<454, with: entry)
    sector.put(UInt32(1), at: 454)
    sector.put(UInt32(clamping: sectors - 1), at: 458)
    sector.put(UInt16(0xaa55), at: 510)
    return sector
  }

  /// The best copy of a GPT that the folder has.
  private func savedGPT(_ names: TableFiles, _ folder: FolderFiles, _ warnings: inout [String]) throws -> SavedGPT {
    var reasons: [String] = []
    for source in try GPTFiles(names, folder, sectorSize: geometry.sectorSize).copies {
      do {
        let saved = try SavedGPT(header: source.header, entries: source.entries, sectorSize: geometry.sectorSize)
        if !reasons.isEmpty { warnings.append("\(reasons.joined(separator: "; ")); \(source.file) is used instead") }
        return saved
      } catch { reasons.append("\(source.file) cannot be used: \(error.detail)") }
    }
    guard let dump, dump.label == "gpt" else {
      throw folder.damaged(
        names.primary,
        reasons.isEmpty
          ? "this file is missing, and so is every other copy of the partition table"
          : reasons.joined(separator: "; ") + "; the partition table is lost: copy the folder again")
    }
    let made = try GPTFromDump(dump, geometry: geometry)
    let saved = try SavedGPT(header: made.header, entries: made.entries, sectorSize: geometry.sectorSize)
    if !reasons.isEmpty { warnings.append("\(reasons.joined(separator: "; ")); \(names.dump) is used instead") }
    return saved
  }

  /// Lays the data between the first sector and the first partition, which starts at `end`, on the disk.
  private func putHidden(
    _ names: TableFiles, before end: UInt64, on disk: inout FolderDisk, _ folder: FolderFiles
  ) throws {
    guard folder.has(names.hidden) else { return }
    let file = try folder.open(names.hidden)
    // dd(1) skipped one block of 512 bytes, whatever the disk's sectors are.
    guard let last = file.byteCount.adding(512), last <= end else {
      throw folder.damaged(
        names.hidden, "its \(describeSize(file.byteCount)) would reach into the first partition, at byte \(end)")
    }
    try ImageChecksums(of: [names.hidden], in: folder)?.finish()
    disk.put(file, at: 512)
  }

  /// Throws unless `table` is the one that sfdisk's dump describes.
  private func compare(_ table: PartitionTable, _ names: TableFiles, _ folder: FolderFiles) throws {
    guard let dump else { return }
    let size = UInt64(table.sectorSize)
    let differing = dump.entries.first { entry in
      guard let partition = table.partition(entry.number) else { return true }
      let type = MBRFromDump.type(entry).map { String($0, radix: 16) } ?? entry.type
      return partition.start != entry.start.multiplied(by: size)
        || partition.byteCount != entry.count.multiplied(by: size)
        || partition.type.code.lowercased() != type.lowercased()
    }
    let extra = table.partitions.first { partition in !dump.entries.contains { $0.number == partition.number } }
    guard let number = differing?.number ?? extra?.number else { return }
    throw folder.damaged(
      names.dump,
      "it describes partition \(number) otherwise than \(table.scheme == .gpt ? names.primary : names.record) does; "
        + "take the file that is wrong out of the folder")
  }
}
