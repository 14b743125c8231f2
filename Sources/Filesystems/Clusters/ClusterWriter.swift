import BlockIO
import Bytes

/// Writes a file's contents into clusters that nothing shows yet.
package struct ClusterWriter {
  private let heap: ClusterHeap
  private let volume: StagedVolume
  /// Bytes that are read at once.
  private static let pieceSize: UInt64 = 1 << 20

  package init(to volume: StagedVolume, in heap: ClusterHeap) {
    self.volume = volume
    self.heap = heap
  }

  /// Writes all of `contents` into `runs`, from byte `start` of the first one on; zeroes fill the last sector up.
  ///
  /// Nothing is read or written in a rehearsal.
  package func write(_ contents: any FileContents, into runs: [ClusterRun], from start: UInt64 = 0) throws {
    guard !volume.isRehearsal, contents.byteCount > 0 else { return }
    let size = Int(min(Self.pieceSize, contents.byteCount.roundedUp(to: UInt64(volume.unit)) ?? Self.pieceSize))
    var buffer = Buffer(zeroes: size + volume.unit)
    var place = Place(runs: runs, offset: start)
    var done: UInt64 = 0
    while done < contents.byteCount {
      // After the first piece all start at multiples of the sector, as long as those are inside 1 MiB.
      let limit = UInt64(size) - (done == 0 ? start % UInt64(size) : 0)
      let count = min(contents.byteCount - done, max(limit, 1))
      var bytes = buffer.mutablePrefix(Int(count))
      try read(contents, at: done, into: &bytes)
      done += count
      let rest = (start + done) % UInt64(volume.unit)
      var padding: UInt64 = 0
      if done == contents.byteCount, rest > 0 {
        padding = UInt64(volume.unit) - rest
        var tail = buffer.mutableSlice(Int(count), Int(padding))
        tail.fillWithZeroes()
      }
      try place.forEach(count + padding, clusterSize: heap.clusterSize) { cluster, inRun, position, length in
        try volume.writeContents(
          buffer.slice(Int(position), Int(length)), at: heap.offset(of: cluster) + inRun)
      }
    }
  }

  /// Fills `bytes`; holes are not read.
  private func read(_ contents: any FileContents, at offset: UInt64, into bytes: inout MutableRawSpan) throws {
    let end = offset + UInt64(bytes.byteCount)
    let extent = try contents.extent(at: offset, limit: end)
    if extent.kind != .data, extent.end >= end { return bytes.fillWithZeroes() }
    try contents.read(at: offset, into: &bytes)
  }

  /// A place in runs of clusters.
  private struct Place {
    let runs: [ClusterRun]
    /// In bytes from the start of run `index`.
    var offset: UInt64
    var index = 0

    init(runs: [ClusterRun], offset: UInt64) {
      self.runs = runs
      self.offset = offset
    }

    /// Goes `count` bytes on; calls `body` for each part that lies in one run.
    mutating func forEach(
      _ count: UInt64, clusterSize: UInt64,
      _ body: (_ cluster: UInt32, _ inRun: UInt64, _ position: UInt64, _ length: UInt64) throws -> Void
    ) throws {
      var done: UInt64 = 0
      while done < count, index < runs.count {
        let size = UInt64(runs[index].count) * clusterSize
        guard offset < size else {
          offset -= size
          index += 1
          continue
        }
        let length = min(count - done, size - offset)
        try body(runs[index].first, offset, done, length)
        done += length
        offset += length
      }
    }
  }
}
