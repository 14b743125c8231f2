import Bytes

/// A saved disk's sector size and size, gathered from the files that say them.
package struct DiskGeometry: Sendable, Hashable {
  /// In bytes.
  package let sectorSize: Int
  /// In bytes; nil where no file says it.
  package let byteCount: UInt64?

  /// Reads what parted(8), sgdisk(8) and sfdisk(8) wrote of the disk called `device`.
  init(_ device: DeviceName, dump: SfdiskDump?, in folder: FolderFiles) throws {
    let reports = ["-pt.parted", "-gpt.sgdisk"].map { device.fileName + $0 }
    var size: Int?
    var sectors: UInt64?
    for report in reports {
      guard let text = try folder.text(report) else { continue }
      let found = Report(text)
      guard found.sectorSize.map({ [512, 1024, 2048, 4096].contains($0) }) ?? true else {
        throw folder.damaged(report, "it gives a sector size that no disk has")
      }
      if size == nil { size = found.sectorSize }
      if sectors == nil { sectors = found.sectors }
    }
    if let dumped = dump?.sectorSize {
      guard size == nil || size == dumped else {
        throw folder.damaged(
          device.fileName + "-pt.sf", "it counts in sectors of \(dumped) bytes, and other files of \(size ?? 0) bytes")
      }
      size = dumped
    }
    sectorSize = size ?? 512
    guard let sectors else {
      byteCount = nil
      return
    }
    guard let bytes = sectors.multiplied(by: UInt64(sectorSize)), bytes <= UInt64(Int64.max) else {
      throw folder.damaged(reports[0], "it gives the disk \(sectors) sectors, more than any disk has")
    }
    byteCount = bytes
  }

  /// The two lines of interest of either program's report.
  private struct Report {
    var sectorSize: Int?
    var sectors: UInt64?

    /// Looks for `Disk /dev/sda: 409600s` or `… 409600 sectors, 200.0 MiB`, and `Sector size (logical/physical): 512B/512B`
    /// or `512/512 bytes`.
    init(_ text: String) {
      for line in text.split(whereSeparator: \.isNewline).prefix(64) {
        guard let colon = line.lastIndex(of: ":") else { continue }
        let value = line[line.index(after: colon)...].trimmed
        let digits = value.prefix { $0.isNumber }
        if line.hasPrefix("Disk /dev/") {
          let unit = value.dropFirst(digits.count)
          if unit.hasPrefix("s") || unit.hasPrefix(" sectors") { sectors = UInt64(digits) }
        } else if line.hasPrefix("Sector size (logical") {
          sectorSize = Int(digits)
        }
      }
    }
  }
}
