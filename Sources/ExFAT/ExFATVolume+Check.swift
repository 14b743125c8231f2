import BlockIO
import Bytes
package import Filesystems

extension ExFATVolume {
  /// Slots of the root directory that a quick check reads.
  private static let rootSlotCount: UInt64 = 65536

  package func quickCheck() throws -> CheckReport {
    var report = CheckReport()
    for sentence in Self.stateSentences(boot.flags) { report.add(.notice, sentence) }
    if boot.byteCount > volume.byteCount { report.add(.damage, Self.sizeSentence(boot, volume)) }
    try checkBootRegions(&report)
    for fault in description.faults { report.add(.damage, fault) }
    try checkSystemClusters(&report)
    try checkRoot(&report)
    report.unchecked += ["subdirectories", "files' contents", "the allocation table"]
    return report
  }

  private func checkBootRegions(_ report: inout CheckReport) throws {
    var regions: [BootRegion] = []
    for isBackup in [false, true] {
      let name = isBackup ? "backup boot region" : "main boot region"
      report.checked.append(name)
      do {
        let region = try BootRegion(of: volume, isBackup: isBackup, sectorSize: boot.sectorSize)
        if region.isSound {
          regions.append(region)
        } else {
          report.add(.damage, "The \(name)'s checksum does not match.")
        }
      } catch let error as LayoutError {
        report.add(.damage, "The \(name) is damaged: \(error.detail).")
      }
    }
    guard regions.count == 2 else { return }
    let volatile = [BootSector.Offset.flags, BootSector.Offset.flags + 1, BootSector.Offset.percentInUse]
    let differs = regions[0].bytes.indices.contains {
      regions[0].bytes[$0] != regions[1].bytes[$0] && !volatile.contains($0)
    }
    if differs { report.add(.damage, "The boot sector and its backup differ.") }
  }

  /// Whether the bitmap has the clusters of the root, of the up-case table and its own in use.
  private func checkSystemClusters(_ report: inout CheckReport) throws {
    guard let bitmap = description.bitmap else { return }
    report.checked += ["bitmap", "up-case table"]
    let places =
      [("root directory", boot.rootCluster), ("bitmap", bitmap.firstCluster)]
      + (description.upcaseCluster.map { [("up-case table", $0)] } ?? [])
    do {
      for (name, cluster) in places where try !bitmap.isUsed(cluster) {
        report.add(.damage, "The bitmap has cluster \(cluster), where the \(name) starts, as free.")
      }
    } catch let error as ImageError {
      report.add(.damage, "The bitmap cannot be read: \(error.detail).")
    }
  }

  private func checkRoot(_ report: inout CheckReport) throws {
    do {
      try directory(root).forEachFile(from: 0) { found in
        if description.upcaseCluster != nil, EntrySet.hash(found.set.name, description.upcase) != found.set.nameHash {
          report.add(
            .damage, "The hash of the name \(found.set.printable) does not match (at offset \(found.offset.hex)).")
        }
        return found.slots.upperBound < Self.rootSlotCount && report.findings.count < 100
      }
      report.checked.append("root directory")
    } catch let error as ImageError {
      report.add(.damage, "The root directory cannot be read: \(error.detail).")
    }
  }
}
