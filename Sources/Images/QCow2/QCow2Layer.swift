import BlockIO
import Bytes

/// One qcow2 file's clusters: what it allocates and where.
final class QCow2Layer: Sendable {
  /// The file's name, for messages.
  let name: String
  /// The disk's size in bytes, as this layer has it.
  let byteCount: UInt64
  /// The file that holds guest data: the image file or the external data file.
  let data: any BlockSource
  let layout: L2Layout
  let isZstd: Bool
  private let areas: MetadataAreas
  private let fileSize: UInt64
  /// Where the L1 table is and how many entries it has.
  private let l1Offset: UInt64
  private let l1Count: UInt64
  private let tables: TableCache
  /// Bytes of a slice: all of a small table, 64 KiB of a large one.
  private let sliceSize: UInt64
  /// Bytes of the disk that one slice, and one L2 table, describe.
  private let sliceSpan: UInt64
  private let tableSpan: UInt64

  /// Which state of the disk to read.
  struct Root {
    var l1Offset: UInt64
    var l1Count: UInt64
    var byteCount: UInt64
  }

  /// A layer of checked metadata; `cacheSize` bounds the memory for its tables in bytes.
  init(
    _ metadata: QCow2Metadata, root: Root, file: any BlockSource, data: (any BlockSource)?, name: String, cacheSize: Int
  ) {
    let header = metadata.header
    self.name = name
    self.data = data ?? file
    byteCount = root.byteCount
    layout = L2Layout(
      clusterBits: UInt64(header.clusterBits), isExtended: header.isExtended, hasDataFile: data != nil,
      hasZeroFlag: header.version > 2, dataFileSize: (data ?? file).byteCount, areas: metadata.areas)
    isZstd = header.compression == 1
    areas = metadata.areas
    fileSize = file.byteCount
    (l1Offset, l1Count) = (root.l1Offset, root.l1Count)
    sliceSize = min(header.clusterSize, 64 << 10)
    sliceSpan = sliceSize / UInt64(layout.entrySize) * header.clusterSize
    tableSpan = header.clusterSize / UInt64(layout.entrySize) * header.clusterSize
    tables = TableCache(of: file, byteCount: cacheSize, sliceSize: Int(sliceSize))
  }

  /// What the layer says of the disk at `offset`, as far as one slice of a table tells, at most to `limit` and over
  /// about `entries` table entries.
  func run(
    at offset: UInt64, limit: UInt64, for purpose: ClusterRun.Purpose, entries: UInt64
  ) throws -> ClusterRun {
    guard let piece = try piece(for: offset) else {
      return try withoutTable(at: offset, limit: limit, entries: entries)
    }
    let reach = min(entries, sliceSize) * layout.clusterSize
    let bound = min(limit, piece.start + sliceSpan, offset + reach)
    let words = piece.slice.words
    var run = try scan(words.span, piece, from: offset, to: bound, for: purpose)
    run.length = min(run.length, limit - offset)
    return run
  }

  /// Adds compressed clusters that follow each other both in the disk and, in at most `window` bytes, in the file.
  ///
  /// Starts at `offset`, which must be in one; stops at `limit` and at the end of a slice.
  func collect(
    from offset: UInt64, limit: UInt64, window: UInt64, into batch: inout [ClusterRun]
  ) throws {
    guard let piece = try piece(for: offset) else { return }
    let bound = min(limit, piece.start + sliceSpan)
    let words = piece.slice.words
    try collect(words.span, piece, from: offset, to: bound, window: window, into: &batch)
  }

  /// A slice of an L2 table.
  private struct Piece {
    let slice: TableSlice
    /// The first byte of the disk that it describes.
    let start: UInt64
    /// Where it is in the file.
    let place: UInt64
  }

  /// The slice with the entry for `offset`; nil where there is no L2 table.
  private func piece(for offset: UInt64) throws -> Piece? {
    guard let table = try l2Table(offset / tableSpan) else { return nil }
    let place = table + offset % tableSpan / sliceSpan * sliceSize
    let slice = try tables.slice(at: place, count: Int(sliceSize))
    return Piece(slice: slice, start: offset.roundedDown(to: sliceSpan), place: place)
  }

  private func scan(
    _ words: Span<UInt64>, _ piece: Piece, from offset: UInt64, to bound: UInt64, for purpose: ClusterRun.Purpose
  ) throws(ImageError) -> ClusterRun {
    var run = try entry(words, piece.start, piece.place, offset)
    while run.end < bound {
      let next = try entry(words, piece.start, piece.place, run.end)
      guard run.continues(with: next, for: purpose) else { break }
      run.length += next.length
    }
    return run
  }

  private func collect(
    _ words: Span<UInt64>, _ piece: Piece, from offset: UInt64, to bound: UInt64, window: UInt64,
    into batch: inout [ClusterRun]
  ) throws(ImageError) {
    var position = offset
    var (first, last): (UInt64, UInt64) = (0, 0)
    while position < bound {
      let run = try entry(words, piece.start, piece.place, position)
      guard run.kind == .compressed else { break }
      let end = run.host + UInt64(run.storedCount)
      if position == offset {
        first = run.host
      } else {
        guard run.host >= last, end - first <= window, run.host - last <= window / 8 else { break }
      }
      last = run.host
      batch.append(run)
      position = run.end
    }
  }

  @inline(__always)
  private func entry(
    _ words: Span<UInt64>, _ start: UInt64, _ place: UInt64, _ offset: UInt64
  ) throws(ImageError) -> ClusterRun {
    let index = Int((offset - start) >> layout.clusterBits)
    do { return try layout.run(words, at: index, for: offset) } catch {
      throw ImageError(
        .damaged, format: "qcow2", file: name, offset: place + UInt64(index * layout.entrySize),
        "the L2 table is damaged: \(error.detail) (for offset \(offset.hex) of the disk); "
          + "`qemu-img check` may tell more")
    }
  }

  /// Where the L2 table number `index` is; nil where there is none.
  private func l2Table(_ index: UInt64) throws -> UInt64? {
    guard index < l1Count else { return nil }
    let (slice, first) = try l1Slice(index)
    let offset = slice.words[Int(index - first)] & L2Layout.offsetMask
    guard offset != 0 else { return nil }
    guard offset % layout.clusterSize == 0 else { throw damagedL1(index, "is not aligned", offset) }
    guard offset.adding(layout.clusterSize).map({ $0 <= fileSize }) ?? false else {
      throw damagedL1(index, "ends after the end of the file", offset)
    }
    if offset < areas.end, let area = areas.area(overlapping: offset, count: layout.clusterSize) {
      throw damagedL1(index, "lies in the \(area.name)", offset)
    }
    return offset
  }

  private func damagedL1(_ index: UInt64, _ problem: String, _ offset: UInt64) -> ImageError {
    ImageError(
      .damaged, format: "qcow2", file: name, offset: l1Offset + index * 8,
      "the L1 table is damaged: an L2 table at \(offset.hex) \(problem); `qemu-img check` may tell more")
  }

  /// The slice of the L1 table that has entry `index`, and the number of its first entry.
  private func l1Slice(_ index: UInt64) throws -> (slice: TableSlice, first: UInt64) {
    let perSlice = sliceSize / 8
    let first = index - index % perSlice
    let count = min(perSlice, l1Count - first)
    return (try tables.slice(at: l1Offset + first * 8, count: Int(count) * 8), first)
  }

  /// The unallocated run from `offset`, in a table that does not exist, over the empty L1 entries that follow.
  private func withoutTable(at offset: UInt64, limit: UInt64, entries: UInt64) throws -> ClusterRun {
    let index = offset / tableSpan
    guard index < l1Count else { return ClusterRun(kind: .unallocated, offset: offset, length: limit - offset) }
    let (slice, first) = try l1Slice(index)
    let bound = min(first + UInt64(slice.words.count), index + min(entries, l1Count), (limit - 1) / tableSpan + 1)
    let words = slice.words
    var next = index + 1
    while next < bound, words[Int(next - first)] & L2Layout.offsetMask == 0 { next += 1 }
    let end = min(limit, next.multiplied(by: tableSpan) ?? limit)
    return ClusterRun(kind: .unallocated, offset: offset, length: end - offset)
  }
}
