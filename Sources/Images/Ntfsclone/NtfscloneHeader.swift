package import BlockIO
package import Bytes

/// What an ntfsclone image's header says: 50 bytes, or 46 in images written before version 10.
package struct NtfscloneHeader: Sendable {
  /// Bytes to read to parse any version.
  static let parsedSize = 50
  /// The first 16 bytes.
  static let magic: [UInt8] = [0] + Array("ntfsclone-image".utf8)
  /// The farthest first record that is believed, in bytes.
  private static let farthestRecord: UInt32 = 1 << 20

  /// The image's version; before 10 that of the NTFS volume.
  package let version: (major: UInt8, minor: UInt8)
  /// The order of the header's and the gaps' integers; little-endian from version 10 on.
  package let order: ByteOrder
  /// In bytes: a power of two, 256…2 Mi.
  package let clusterSize: Int
  /// The partition's size in bytes.
  package let deviceSize: UInt64
  /// How many clusters the volume has, the one with the backup boot sector left out: at most 2^32.
  package let clusters: UInt64
  /// Clusters in use as the writer counted them; informative only.
  package let usedClusters: UInt64
  /// Offset in the image of the first record.
  package let firstRecord: UInt64

  /// Clusters that records can be about: the volume's, and the one with the backup boot sector where the device
  /// reaches so far.
  package var places: UInt64 {
    let whole = (deviceSize - 1) / UInt64(clusterSize) + 1
    return min(clusters + 1, whole)
  }

  /// Whether the image may end before the backup boot sector's cluster, as those before version 10.1 do.
  package var mayOmitLast: Bool { version.major < 10 || version.minor == 0 }

  /// How many bytes are stored for cluster `cluster`: fewer than a cluster where the device ends.
  package func storedSize(of cluster: UInt64) -> Int {
    let start = cluster * UInt64(clusterSize)
    return Int(min(UInt64(clusterSize), deviceSize - min(start, deviceSize)))
  }

  /// Parses the front of an image; throws `ImageError` on anything that contradicts the format.
  package init(parsing bytes: RawSpan, errors: BackupErrors) throws(ImageError) {
    guard bytes.byteCount >= 46 else {
      throw errors.damaged("the image ends inside its header", image: UInt64(bytes.byteCount))
    }
    version = (bytes.littleEndian(at: 16), bytes.littleEndian(at: 17))
    guard version.major <= 10 else {
      throw errors.unsupported(
        "the image's version is \(version.major).\(version.minor), and those up to 10 can be read", image: 16)
    }
    // Before version 10 the order is the writer's, which only the plausibility of the numbers shows.
    let isSwapped =
      version.major < 10 && Self.geometry(bytes, .little).flaw != nil && Self.geometry(bytes, .big).flaw == nil
    order = isSwapped ? .big : .little
    let geometry = Self.geometry(bytes, order)
    if let flaw = geometry.flaw { throw errors.damaged(flaw.detail, image: flaw.offset) }
    clusterSize = Int(geometry.clusterSize)
    deviceSize = geometry.deviceSize
    clusters = geometry.clusters
    usedClusters = order.load(bytes, at: 38)
    guard version.major >= 10 else {
      firstRecord = 46
      return
    }
    guard bytes.byteCount >= Self.parsedSize else {
      throw errors.damaged("the image ends inside its header", image: UInt64(bytes.byteCount))
    }
    let first: UInt32 = bytes.littleEndian(at: 46)
    guard (50...Self.farthestRecord).contains(first) else {
      throw errors.damaged("the first record cannot be at \(UInt64(first).hex)", image: 46)
    }
    firstRecord = UInt64(first)
  }

  private static func geometry(_ bytes: RawSpan, _ order: ByteOrder) -> Geometry {
    Geometry(
      clusterSize: order.load(bytes, at: 18), deviceSize: order.load(bytes, at: 22),
      clusters: order.load(bytes, at: 30))
  }
}

/// The sizes in a header, before they are trusted.
private struct Geometry {
  let clusterSize: UInt32
  let deviceSize: UInt64
  let clusters: UInt64

  /// What is impossible about them, and the field's offset; nil if nothing is.
  var flaw: (detail: String, offset: UInt64)? {
    guard (256...(2 << 20)).contains(clusterSize), clusterSize.nonzeroBitCount == 1 else {
      return ("a cluster size of \(clusterSize) bytes is not a power of two from 256 to 2097152", 18)
    }
    guard deviceSize > 0, deviceSize <= 1 << 62 else {
      return ("a device size of \(deviceSize) bytes is not possible", 22)
    }
    guard clusters > 0, clusters <= 1 << 32 else {
      return ("\(clusters) clusters are not between 1 and 2^32, the most that NTFS has", 30)
    }
    guard clusters * UInt64(clusterSize) <= deviceSize else {
      return ("\(clusters) clusters of \(clusterSize) bytes are more than the device's \(deviceSize) bytes", 30)
    }
    return nil
  }
}

extension NtfscloneHeader {
  /// Every field, for `info`.
  package var facts: Record {
    var facts = Record()
    facts.add("virtual-size", .size(deviceSize))
    if version.major >= 10 {
      facts.add("image-version", .text("\(version.major).\(version.minor)"))
    } else {
      facts.add("image-version", .text("before 10"))
      facts.add("ntfs-version", .text("\(version.major).\(version.minor)"))
    }
    facts.add("filesystem", .text("NTFS"))
    facts.add("byte-order", .text(order == .little ? "little-endian" : "big-endian"))
    facts.add("device-size", .size(deviceSize))
    facts.add("cluster-size", .size(UInt64(clusterSize)))
    facts.add("total-clusters", .count(clusters))
    facts.add("used-clusters", .count(usedClusters))
    facts.add("used-size", usedClusters.multiplied(by: UInt64(clusterSize)).map { .size($0) })
    facts.add("first-record", .size(firstRecord))
    facts.add("checksum", .text("none"))
    return facts
  }
}
