import BlockIO
import Bytes

/// Goes from record to record of an image in a seekable file, without the clusters between them.
struct NtfscloneWalk: ~Copyable {
  /// Neighbouring clusters whose records follow each other.
  struct Run {
    var cluster: UInt64
    var count: UInt64
    /// Offset in the image of the first one's bytes.
    var offset: UInt64
  }

  /// How much is read at a time where clusters are small, in bytes.
  private static let windowSize = 256 << 10

  private let file: any BlockSource
  private let header: NtfscloneHeader
  private let errors: BackupErrors
  private let damage: DamageLog?
  private var window: Buffer
  private var windowStart: UInt64 = 0
  private var windowCount = 0
  /// Where the data of the last cluster end because the image does, in bytes from the start of the partition.
  private(set) var dataEnd: UInt64?

  /// Damage goes to `damage`, or is thrown if nil.
  init(_ file: any BlockSource, header: NtfscloneHeader, errors: BackupErrors, damage: DamageLog?) {
    self.file = file
    self.header = header
    self.errors = errors
    self.damage = damage
    // Clusters larger than this are stepped over without reading them.
    window = Buffer(count: header.clusterSize < 32 << 10 ? Self.windowSize : 4096)
  }

  /// Calls `visit` with every run of stored clusters in the file's order and whether the gaps before it are other than
  /// one forward gap; checks the whole grammar, and that the image ends where the file does.
  mutating func forEachRun(_ visit: (_ run: Run, _ isIrregular: Bool) throws -> Void) throws {
    var grammar = NtfscloneGrammar(header: header, errors: errors)
    var offset = header.firstRecord
    var run: Run?
    var gaps = 0
    var isBackward = false
    do {
      while !grammar.isPastEnd {
        let count = try look(at: offset)
        if count == 0 {
          if let flaw = grammar.flaw(ofEndAt: offset) { throw flaw }
          break
        }
        let record = try withRecord(offset) { bytes throws(ImageError) in try grammar.parse(bytes, at: offset) }
        switch record {
        case .gap(let clusters):
          if let ended = run { try visit(ended, gaps > 1 || isBackward) }
          if run != nil { (gaps, isBackward) = (0, false) }
          run = nil
          try grammar.pass(gap: clusters, at: offset)
          gaps += 1
          isBackward = isBackward || clusters < 0
          offset += UInt64(NtfscloneRecord.gapSize)
        case .next:
          let size = UInt64(header.storedSize(of: grammar.cluster))
          guard file.byteCount - offset - 1 >= size else {
            dataEnd = grammar.target + (file.byteCount - offset - 1).roundedDown(to: 512)
            throw grammar.endsEarly(at: file.byteCount)
          }
          if run == nil { run = Run(cluster: grammar.cluster, count: 0, offset: offset + 1) }
          run?.count += 1
          grammar.pass(stored: 1)
          offset += size + 1
        }
      }
      if offset < file.byteCount { throw grammar.leftover(at: offset) }
    } catch let error as ImageError where damage != nil && error.kind == .damaged {
      let isCut = dataEnd != nil || file.byteCount - offset < UInt64(NtfscloneRecord.gapSize)
      let cause = grammar.cause(isCut: isCut)
      damage?.add(cause, image: offset..<max(file.byteCount, offset + 1), target: lost(from: grammar.target))
    }
    if let run { try visit(run, gaps > 1 || isBackward) }
  }

  /// What of the partition is missing from `start` on; nil if nothing is.
  private func lost(from start: UInt64) -> Range<UInt64>? {
    let start = max(start, dataEnd ?? 0)
    return start < header.deviceSize ? start..<header.deviceSize : nil
  }

  /// Makes sure that the window holds the record at `offset`; says how many of its bytes the file has, 9 at most.
  private mutating func look(at offset: UInt64) throws -> Int {
    let count = Int(min(UInt64(NtfscloneRecord.gapSize), file.byteCount - min(offset, file.byteCount)))
    let isHeld = offset >= windowStart && offset + UInt64(count) <= windowStart + UInt64(windowCount)
    guard !isHeld, count > 0 else { return count }
    windowStart = offset
    windowCount = Int(min(UInt64(window.count), file.byteCount - offset))
    try window.fill(0, windowCount) { bytes in try file.read(at: offset, into: &bytes) }
    return count
  }

  private func withRecord<Result>(
    _ offset: UInt64, _ body: (RawSpan) throws(ImageError) -> Result
  ) throws(ImageError) -> Result {
    let start = Int(offset - windowStart)
    return try window.withSlice(start, min(NtfscloneRecord.gapSize, windowCount - start), body)
  }
}
