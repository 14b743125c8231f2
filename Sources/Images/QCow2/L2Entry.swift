import Bytes

/// How a qcow2 file's mapping tables are laid out, and what an entry of an L2 table means
/// (qemu docs/interop/qcow2.txt, "Cluster mapping" and "Extended L2 Entries").
///
/// An entry's lower 62 bits:
/// ```
/// standard    61..56 reserved | 55..9 host offset | 8..1 reserved | 0 reads as zero
/// compressed  61..x further 512-byte sectors | x-1..0 host offset      x = 62 - (cluster bits - 8)
/// ```
/// Bit 62 says compressed, bit 63 that the cluster's refcount is one. An extended entry goes on with 32 bits "reads as
/// zero" and 32 bits "allocated", the lowest for the first subcluster.
struct L2Layout: Sendable {
  let clusterBits: UInt64
  let isExtended: Bool
  /// Whether guest data is in another file, at the guest's offsets.
  let hasDataFile: Bool
  /// Whether bit 0 has a meaning.
  let hasZeroFlag: Bool
  /// Size in bytes of the file that holds guest data.
  let dataFileSize: UInt64
  /// Data in the image file lies after its header and tables, or between them.
  let areas: MetadataAreas

  static let offsetMask: UInt64 = 0x00ff_ffff_ffff_fe00

  /// Bytes of an entry.
  var entrySize: Int { isExtended ? 16 : 8 }
  var clusterSize: UInt64 { 1 << clusterBits }
  private var clusterMask: UInt64 { clusterSize - 1 }

  /// What an entry says of the disk from `offset` to the next change inside the cluster.
  ///
  /// `words` holds entries; the one for `offset` is number `index`.
  @inline(__always)
  func run(_ words: Span<UInt64>, at index: Int, for offset: UInt64) throws(LayoutError) -> ClusterRun {
    let entry = words[isExtended ? 2 * index : index]
    let within = offset & clusterMask
    let rest = clusterSize - within
    if entry & (1 << 62) != 0 { return try compressed(entry, offset, rest) }
    if isExtended {
      return try subclusters(entry, words[2 * index + 1], offset)
    }
    if entry & 1 != 0 {
      guard hasZeroFlag else { throw LayoutError("a zero cluster in an image of version 2") }
      return ClusterRun(kind: .zero, offset: offset, length: rest)
    }
    guard isAllocated(entry) else { return ClusterRun(kind: .unallocated, offset: offset, length: rest) }
    let host = entry & Self.offsetMask
    try check(host, for: offset)
    return ClusterRun(kind: .data, offset: offset, length: rest, host: host + within)
  }

  /// Whether a standard entry names a host cluster: offset 0 counts in an external data file.
  @inline(__always)
  private func isAllocated(_ entry: UInt64) -> Bool {
    entry & Self.offsetMask != 0 || (hasDataFile && entry >> 63 == 1)
  }

  private func subclusters(_ entry: UInt64, _ bitmap: UInt64, _ offset: UInt64) throws(LayoutError) -> ClusterRun {
    let allocated = UInt32(truncatingIfNeeded: bitmap)
    let zero = UInt32(truncatingIfNeeded: bitmap >> 32)
    guard allocated & zero == 0 else {
      throw LayoutError("a subcluster is both allocated and zero")
    }
    let host = entry & Self.offsetMask
    guard allocated == 0 || isAllocated(entry) else {
      throw LayoutError("subclusters are allocated without a cluster")
    }
    let bits = clusterBits - 5
    let within = offset & clusterMask
    let index = UInt32(truncatingIfNeeded: within >> bits)
    var run = ClusterRun(kind: .unallocated, offset: offset, length: 0)
    let same: UInt32
    if allocated >> index & 1 == 1 {
      try check(host, for: offset)
      (run.kind, run.host, same) = (.data, host + within, allocated)
    } else if zero >> index & 1 == 1 {
      (run.kind, same) = (.zero, zero)
    } else {
      same = ~(allocated | zero)
    }
    let count = UInt64((~(same >> index)).trailingZeroBitCount)
    run.length = (UInt64(index) + min(count, 32 - UInt64(index))) << bits - within
    return run
  }

  private func compressed(_ entry: UInt64, _ offset: UInt64, _ rest: UInt64) throws(LayoutError) -> ClusterRun {
    guard !hasDataFile else { throw LayoutError("a compressed cluster in an image with an external data file") }
    let offsetBits = 62 - (clusterBits - 8)
    let host = entry & (1 << offsetBits - 1)
    guard host < dataFileSize else {
      throw LayoutError("a compressed cluster at \(host.hex) starts after the end of the file")
    }
    let sectors = entry >> offsetBits & (1 << (clusterBits - 8) - 1) + 1
    let count = min(sectors * 512 - host % 512, dataFileSize - host)
    if host < areas.end, let area = areas.area(overlapping: host, count: 1) {
      throw LayoutError("a compressed cluster at \(host.hex) lies in the \(area.name)")
    }
    return ClusterRun(kind: .compressed, offset: offset, length: rest, host: host, storedCount: Int(count))
  }

  /// Throws unless a data cluster may lie at `host`.
  @inline(__always)
  private func check(_ host: UInt64, for offset: UInt64) throws(LayoutError) {
    if host & clusterMask == 0, host < dataFileSize {
      if hasDataFile {
        if host == offset & ~clusterMask { return }
      } else if host >= areas.end {
        return
      }
    }
    try explain(host, for: offset)
  }

  private func explain(_ host: UInt64, for offset: UInt64) throws(LayoutError) {
    guard host & clusterMask == 0 else { throw LayoutError("a data cluster at \(host.hex) is not aligned") }
    guard host < dataFileSize else {
      throw LayoutError("a data cluster at \(host.hex) starts after the end of the file")
    }
    if hasDataFile {
      throw LayoutError("the data file's cluster at \(host.hex) is not where its place on the disk is")
    }
    if let area = areas.area(overlapping: host, count: clusterSize) {
      throw LayoutError("a data cluster at \(host.hex) lies in the \(area.name)")
    }
  }
}
