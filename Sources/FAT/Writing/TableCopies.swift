import BlockIO
import Bytes
import Filesystems

/// The tables that are kept up to date: all, or where mirroring is off the active one.
struct TableCopies {
  let width: FileAllocationTable.Width
  /// Where each starts in the volume, in bytes; the one that is followed first.
  let starts: [UInt64]
  /// Entries that are changed at once: an even number, so that of 12 bits none is cut.
  private static let pieceCount: UInt64 = 4096

  init(of volume: FATVolume) {
    width = volume.table.width
    let size = UInt64(volume.boot.tableSectors) * UInt64(volume.boot.sectorSize)
    let first = UInt64(volume.boot.reservedSectors) * UInt64(volume.boot.sectorSize)
    starts =
      volume.boot.wide?.onlyActiveTable != nil
      ? [volume.table.start] : (0..<UInt64(volume.boot.tableCount)).map { first + $0 * size }
  }

  /// Stages `value` for the entry of each cluster of `run`, in all copies.
  func stage(_ run: ClusterRun, in volume: StagedVolume, value: (UInt32) -> UInt32) throws {
    let end = UInt64(run.first) + UInt64(run.count)
    for start in starts {
      var cluster = UInt64(run.first)
      while cluster < end {
        let next = min(end, cluster.roundedDown(to: Self.pieceCount) + Self.pieceCount)
        let place = width.offset(of: UInt32(cluster))
        let size = Int(width.offset(of: UInt32(next - 1)) - place + width.byteCount(entries: 1))
        var buffer = Buffer(count: size)
        var bytes = buffer.mutablePrefix(size)
        try volume.read(at: start + place, into: &bytes)
        for number in UInt32(cluster)..<UInt32(next) {
          let offset = Int(width.offset(of: number) - place)
          width.store(value(number), into: &bytes, at: offset, isOdd: number % 2 == 1)
        }
        try volume.stage(bytes.bytes, at: start + place)
        cluster = next
      }
    }
  }
}
