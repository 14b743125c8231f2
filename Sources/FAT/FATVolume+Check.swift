import BlockIO
import Bytes
package import Filesystems

extension FATVolume {
  /// Bytes of the tables that a quick check compares.
  private static let comparedByteCount: UInt64 = 1 << 20
  /// Tables of which a quick check compares that much; there are two as a rule.
  private static let comparedTableCount: UInt64 = 4
  /// Tables up to this size in bytes are counted in a quick check.
  private static let countedByteCount: UInt64 = 16 << 20
  /// Slots of the root directory that a quick check reads.
  private static let rootSlotCount: UInt64 = 65536

  package func quickCheck() throws -> CheckReport {
    var report = CheckReport()
    for sentence in stateSentences() { report.add(.notice, sentence) }
    for sentence in copySentences() + sizeSentences() { report.add(.damage, sentence) }
    report.checked.append("boot sector")
    try checkBackup(&report)
    try checkTables(&report)
    try checkInfoSector(&report)
    try checkRoot(&report)
    report.unchecked += ["subdirectories", "files' contents"]
    return report
  }

  /// Whether the volume was left in use or with errors, as the boot sector and entry 1 of the table say.
  func stateSentences() -> [String] {
    var sentences: [String] = []
    let mark = (try? table.value(of: 1)) ?? .max
    let (clean, sound): (UInt32, UInt32) =
      switch table.width {
      case .bits16: (1 << 15, 1 << 14)
      case .bits28: (1 << 27, 1 << 26)
      default: (0, 0)
      }
    if (boot.state ?? 0) & 1 != 0 || mark & clean != clean {
      sentences.append("The volume was not unmounted cleanly; run fsck.fat on it.")
    }
    if (boot.state ?? 0) & 2 != 0 || mark & sound != sound {
      sentences.append("Errors were met when the volume was last read or written; its medium is to be tested.")
    }
    return sentences
  }

  /// Whether the boot sector's copy is read in its place.
  func copySentences() -> [String] {
    bootDamage.map { ["The boot sector is damaged: \($0); its copy in sector \(BootSector.copySector) is read."] } ?? []
  }

  /// Whether the volume and the tables are large enough.
  func sizeSentences() -> [String] {
    var sentences: [String] = []
    if boot.byteCount > volume.byteCount {
      sentences.append(
        "The filesystem has \(describeSize(boot.byteCount)), but the volume ends after \(describeSize(volume.byteCount))."
      )
    }
    if UInt64(heap.clusterCount) < boot.announcedClusters {
      sentences.append(
        "The tables have entries for \(heap.clusterCount) of the \(boot.announcedClusters) clusters; the others are left out."
      )
    }
    return sentences
  }

  private func checkBackup(_ report: inout CheckReport) throws {
    guard let wide = boot.wide, bootDamage == nil else { return }
    guard 1..<boot.reservedSectors ~= wide.backupSector else { return report.unchecked.append("no backup boot sector") }
    let first = try MetadataBlock(of: volume, at: 0, count: BootSector.size)
    let place = UInt64(wide.backupSector) * UInt64(boot.sectorSize)
    let second = try MetadataBlock(of: volume, at: place, count: BootSector.size)
    report.checked.append("backup boot sector")
    var one = first.bytes.array
    var other = second.bytes.array
    let state = BootSector.extendedPart(isWide: true) + BootSector.Offset.state
    (one[state], other[state]) = (0, 0)
    guard one != other else { return }
    let isShape = one[11..<64] != other[11..<64]
    report.add(
      isShape ? .damage : .notice,
      isShape
        ? "The boot sector and its backup in sector \(wide.backupSector) describe different volumes."
        : "The boot sector differs from its backup in sector \(wide.backupSector), but not in the volume's shape.")
  }

  private func checkTables(_ report: inout CheckReport) throws {
    let media = try table.value(of: 0) & 0xff
    if media != UInt32(boot.media) {
      report.add(.notice, "The table's first entry does not repeat the media byte \(UInt64(boot.media).hex).")
    }
    guard boot.tableCount > 1, boot.wide?.onlyActiveTable == nil else {
      return report.unchecked.append(
        boot.tableCount > 1 ? "the tables that are not kept up to date" : "no second table")
    }
    let count = min(table.byteCount, Self.comparedByteCount)
    let tableSize = UInt64(boot.tableSectors) * UInt64(boot.sectorSize)
    for copy in 1..<min(UInt64(boot.tableCount), Self.comparedTableCount) {
      if let place = try firstDifference(table.start, table.start + copy * tableSize, count: count) {
        report.add(
          .damage,
          "Table \(copy) differs from table 0, first at offset \((table.start + copy * tableSize + place).hex).")
      }
    }
    let isWhole = count == table.byteCount && UInt64(boot.tableCount) <= Self.comparedTableCount
    report.checked.append(
      isWhole ? "\(boot.tableCount) tables" : "the first \(describeSize(count)) of the tables")
    if !isWhole { report.unchecked.append("the rest of the tables' copies") }
  }

  /// Where two ranges differ first, the bytes of entries 0 and 1 with their flags left out; nil where they do not.
  func firstDifference(_ one: UInt64, _ other: UInt64, count: UInt64) throws -> UInt64? {
    let unit: UInt64 = 64 << 10
    var position: UInt64 = 0
    while position < count {
      let length = Int(min(unit, count - position))
      let left = try MetadataBlock(of: volume, at: one + position, count: length)
      let right = try MetadataBlock(of: volume, at: other + position, count: length)
      if let place = firstDifference(left.bytes, right.bytes, at: position) { return place }
      position += UInt64(length)
    }
    return nil
  }

  /// The same of two pieces that lie at `position` in the tables.
  func firstDifference(_ one: RawSpan, _ other: RawSpan, at position: UInt64) -> UInt64? {
    let skipped = position == 0 ? min(Int(table.width.offset(of: 2)), one.byteCount) : 0
    let count = one.byteCount - skipped
    let found = one.slice(skipped, count).firstDifference(from: other.slice(skipped, count))
    return found.map { position + UInt64(skipped + $0) }
  }

  /// Where FAT32 keeps how many clusters are free, in bytes; nil where it does not.
  var infoSectorPlace: UInt64? {
    guard let wide = boot.wide, 1..<boot.reservedSectors ~= wide.infoSector else { return nil }
    return UInt64(wide.infoSector) * UInt64(boot.sectorSize)
  }

  private func checkInfoSector(_ report: inout CheckReport) throws {
    guard boot.wide != nil else { return }
    guard let place = infoSectorPlace else { return report.unchecked.append("no FSInfo sector") }
    let block = try MetadataBlock(of: volume, at: place, count: InfoSector.size)
    report.checked.append("FSInfo sector")
    let info: InfoSector
    do {
      info = try InfoSector(parsing: block.bytes)
    } catch {
      return report.add(.damage, "The FSInfo sector at offset \(place.hex) is damaged: \(error.detail).")
    }
    if let next = info.nextFree, !heap.contains(next) {
      report.add(.notice, "The FSInfo sector looks for free clusters from \(next) on, which is no cluster.")
    }
    guard let free = info.freeClusters else { return }
    if free > heap.clusterCount {
      report.add(.notice, "The FSInfo sector counts \(free) free clusters of \(heap.clusterCount).")
    } else if table.byteCount > Self.countedByteCount {
      report.unchecked.append("the count of free clusters")
    } else {
      let counted = try countFreeClusters()
      if free != counted {
        report.add(.notice, "The FSInfo sector counts \(free) free clusters, the table \(counted).")
      }
    }
  }

  private func checkRoot(_ report: inout CheckReport) throws {
    do {
      try directory(root).forEach(from: 0) { $0.slots.upperBound < Self.rootSlotCount }
      report.checked.append("root directory")
    } catch let error as ImageError {
      report.add(.damage, "The root directory cannot be read: \(error.detail).")
    }
  }
}
