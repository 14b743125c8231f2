package import BlockIO
import Bytes

/// The clusters of a FAT or exFAT volume, numbered from 2.
package struct ClusterHeap {
  package let volume: any BlockSource
  /// The format's name, for errors.
  package let format: String
  /// First byte of cluster 2.
  package let start: UInt64
  /// Size of a cluster in bytes, at most 32 MiB.
  package let clusterSize: UInt64
  package let clusterCount: UInt32

  package init(
    of volume: any BlockSource, format: String, start: UInt64, clusterSize: UInt64, clusterCount: UInt32
  ) {
    self.volume = volume
    self.format = format
    self.start = start
    self.clusterSize = clusterSize
    self.clusterCount = clusterCount
  }

  /// The first number that no cluster has.
  package var endCluster: UInt64 { UInt64(clusterCount) + 2 }

  /// The byte after the last cluster.
  package var end: UInt64 { start + UInt64(clusterCount) * clusterSize }

  package func contains(_ cluster: UInt32) -> Bool { cluster >= 2 && UInt64(cluster) < endCluster }

  /// Where a cluster, which must be one of the heap's, lies in the volume.
  package func offset(of cluster: UInt32) -> UInt64 { start + UInt64(cluster - 2) * clusterSize }

  /// Clusters that `byteCount` bytes take.
  package func clusters(for byteCount: UInt64) -> UInt64 {
    byteCount / clusterSize + (byteCount % clusterSize == 0 ? 0 : 1)
  }

  /// What to throw where bytes contradict the format.
  package func damaged(_ detail: String, at offset: UInt64? = nil) -> ImageError {
    ImageError(.damaged, format: format, offset: offset, detail)
  }

  /// Throws unless `count` bytes at `offset` lie inside the volume.
  package func requireInside(_ offset: UInt64, _ count: UInt64) throws(ImageError) {
    guard offset <= volume.byteCount, count <= volume.byteCount - offset else {
      throw damaged(
        "the filesystem goes on past the volume's end at \(describeSize(volume.byteCount)); the volume is cut off",
        at: offset)
    }
  }

  /// Fills `buffer` from the volume, which may end before.
  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try requireInside(offset, UInt64(buffer.byteCount))
    try volume.read(at: offset, into: &buffer)
  }
}
