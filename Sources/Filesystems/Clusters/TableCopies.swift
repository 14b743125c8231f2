import BlockIO
import Bytes

/// The allocation tables that are kept up to date.
package struct TableCopies {
  package let width: FileAllocationTable.Width
  /// Where each starts in the volume, in bytes; the one that is followed first.
  package let starts: [UInt64]
  /// Entries that are changed at once: an even number, so that of 12 bits none is cut.
  private static let pieceCount: UInt64 = 4096

  /// The tables at `starts`, which must lie inside the volume.
  package init(_ width: FileAllocationTable.Width, at starts: [UInt64]) {
    self.width = width
    self.starts = starts
  }

  /// Stages `value` for the entry of each cluster of `run`, in all copies.
  package func stage(_ run: ClusterRun, in volume: StagedVolume, value: (UInt32) -> UInt32) throws {
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
