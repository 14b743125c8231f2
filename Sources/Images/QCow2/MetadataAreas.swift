import Bytes

/// The ranges of a qcow2 file that hold its header and tables, so that nothing else may lie there.
struct MetadataAreas: Sendable {
  /// A table's range of the file.
  struct Area: Sendable {
    let name: String
    let start: UInt64
    let end: UInt64
  }

  private(set) var areas: [Area] = []
  /// Everything from here on is free of metadata.
  private(set) var end: UInt64 = 0
  private let clusterSize: UInt64
  private let fileSize: UInt64

  /// Starts with the header's cluster.
  init(clusterSize: UInt64, fileSize: UInt64) {
    self.clusterSize = clusterSize
    self.fileSize = fileSize
    areas = [Area(name: "header", start: 0, end: clusterSize)]
    end = clusterSize
  }

  /// Adds a table after checking that it is aligned, inside the file and overlaps nothing; `field` is the offset of
  /// the header field that says where it is.
  mutating func add(_ name: String, at start: UInt64, count: UInt64, field: Int) throws(LayoutError) {
    guard start % clusterSize == 0 else {
      throw LayoutError("the \(name) at \(start.hex) does not start at a cluster", at: field)
    }
    guard let last = start.adding(count), last <= fileSize else {
      throw LayoutError("the \(name) (\(count) bytes at \(start.hex)) ends after the end of the file", at: field)
    }
    if let other = area(overlapping: start, count: count) {
      throw LayoutError("the \(name) at \(start.hex) overlaps the \(other.name)", at: field)
    }
    areas.append(Area(name: name, start: start, end: last))
    end = max(end, last)
  }

  /// The first area that shares a byte with the range; `start + count` must not overflow.
  func area(overlapping start: UInt64, count: UInt64) -> Area? {
    areas.first { start < $0.end && $0.start < start + count }
  }
}
