package import BlockIO
import Bytes
import Synchronization
import Threads

/// A range of the target that does not hold what was written.
package struct BadRange: Sendable, Hashable {
  /// The range as narrow as it could be told.
  package let range: Range<UInt64>
  /// Whether it held the right bytes when it was read once more.
  package let isUnstable: Bool
  /// The first byte that differs from the source, where the source could be read again.
  package let firstDifference: UInt64?

  package init(range: Range<UInt64>, isUnstable: Bool, firstDifference: UInt64?) {
    self.range = range
    self.isUnstable = isUnstable
    self.firstDifference = firstDifference
  }
}

/// Reads back what a copy wrote or zeroed, the cache bypassed, and returns the ranges that differ, in order.
///
/// `map` and `options` are those of the copy; what the policy kept or discarded is left out.
/// With `source`, differences are told to the byte.
package func verify(
  _ target: any BlockTarget, against digests: Digests, map: any ExtentMap, source: (any BlockSource)? = nil,
  options: CopyOptions = CopyOptions(), progress: Progress
) throws -> [BadRange] {
  let windows = Channel<Int>(capacity: options.workers * 2)
  let verifier = Verifier(
    target: target, digests: digests, map: map, source: source, policy: options.policy,
    units: StepUnits(target: target, chunkSize: options.chunkSize), progress: progress)
  let found = try withWorkers(options.workers, named: "verify", stop: { windows.cancel() }) { _ in
    var buffer = Buffer(count: Int(verifier.units.chunk))
    var bad: [BadRange] = []
    while let window = windows.receive() {
      if options.isInterrupted() { throw Interrupted() }
      if let range = try verifier.check(window: window, buffer: &buffer) { bad.append(range) }
    }
    return bad
  } feed: {
    defer { windows.close() }
    let count = Int((map.byteCount + digests.window - 1) / digests.window)
    var window = 0
    while window < count {
      if options.isInterrupted() { throw Interrupted() }
      window = try verifier.passHoles(from: window, count: count)
      guard window < count else { return }
      guard windows.send(window) else { return }
      window += 1
    }
  }
  return found.flatMap(\.self).sorted { $0.range.lowerBound < $1.range.lowerBound }
}

/// Everything that is wholly written or zero: the map of a raw stream.
package struct WholeMap: ExtentMap {
  package let byteCount: UInt64
  package init(byteCount: UInt64) { self.byteCount = byteCount }
  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: limit - offset)
  }
}

/// Compares windows of a target with their digests.
private struct Verifier: Sendable {
  let target: any BlockTarget
  let digests: Digests
  let map: any ExtentMap
  let source: (any BlockSource)?
  let policy: CopyPolicy
  let units: StepUnits
  let progress: Progress

  /// The first of `count` windows from `first` on that has to be read.
  ///
  /// Those before it are holes in the target and were to be zero, so that nothing in them can differ.
  func passHoles(from first: Int, count: Int) throws -> Int {
    let start = UInt64(first) * digests.window
    let stored = target.nextStored(at: start, limit: map.byteCount)
    let last = stored >= map.byteCount ? count : Int(stored / digests.window)
    var window = first
    while window < last, digests.sum(ofWindow: window) == 0 { window += 1 }
    if window > first {
      let end = min(UInt64(window) * digests.window, map.byteCount)
      try forEachCovered(start..<end) { progress.verified.wrappingAdd(UInt64($0.count), ordering: .relaxed) }
    }
    return window
  }

  /// What is wrong with a window, or nil.
  func check(window: Int, buffer: inout Buffer) throws -> BadRange? {
    let covered = try coveredRanges(ofWindow: window)
    guard let first = covered.first, let last = covered.last else { return nil }
    let expected = digests.sum(ofWindow: window)
    if try sum(covered, buffer: &buffer, counts: true) == expected { return nil }
    let isUnstable = try sum(covered, buffer: &buffer, counts: false) == expected
    let whole = first.lowerBound..<last.upperBound
    guard !isUnstable, let source, let narrow = try compare(covered, with: source, buffer: &buffer) else {
      return BadRange(range: whole, isUnstable: isUnstable, firstDifference: nil)
    }
    return BadRange(range: narrow, isUnstable: false, firstDifference: narrow.lowerBound)
  }

  /// The ranges of a window that were written or zeroed, neighbours joined.
  private func coveredRanges(ofWindow window: Int) throws -> [Range<UInt64>] {
    let start = UInt64(window) * digests.window
    var covered: [Range<UInt64>] = []
    try forEachCovered(start..<min(start + digests.window, map.byteCount)) { range in
      if let last = covered.last, last.upperBound == range.lowerBound {
        covered[covered.count - 1] = last.lowerBound..<range.upperBound
      } else {
        covered.append(range)
      }
    }
    return covered
  }

  /// Calls `body` with what was written or zeroed in `range`, in order.
  private func forEachCovered(_ range: Range<UInt64>, _ body: (Range<UInt64>) -> Void) throws {
    var planner = Planner(map, range: range, policy: policy, units: units, targetByteCount: target.byteCount)
    while let step = try planner.next() {
      if step.action.isCovered { body(step.offset..<step.end) }
    }
  }

  /// The digest of `ranges` as the target holds them now.
  private func sum(_ ranges: [Range<UInt64>], buffer: inout Buffer, counts: Bool) throws -> UInt64 {
    var sum: UInt64 = 0
    for range in ranges {
      var offset = range.lowerBound
      while offset < range.upperBound {
        let stored = target.nextStored(at: offset, limit: range.upperBound).aligned(down: units.block)
        if stored > offset {
          if counts { progress.verified.wrappingAdd(stored - offset, ordering: .relaxed) }
          offset = stored
          continue
        }
        let end = min((offset + 1).aligned(up: units.chunk), range.upperBound)
        var bytes = buffer.mutablePrefix(Int(end - offset))
        try target.readBack(at: offset, into: &bytes)
        sum &+= Digests.sum(buffer.prefix(Int(end - offset)), at: offset)
        if counts { progress.verified.wrappingAdd(end - offset, ordering: .relaxed) }
        offset = end
      }
    }
    return sum
  }

  /// The range from the first to the last byte that differs from `source`, or nil if the source cannot tell.
  private func compare(
    _ ranges: [Range<UInt64>], with source: any BlockSource, buffer: inout Buffer
  ) throws -> Range<UInt64>? {
    var wanted = Buffer(count: Int(units.chunk))
    var differing: Range<UInt64>?
    for range in ranges {
      var offset = range.lowerBound
      while offset < min(range.upperBound, source.byteCount) {
        let end = min((offset + 1).aligned(up: units.chunk), range.upperBound)
        let count = Int(end - offset)
        var found = buffer.mutablePrefix(count)
        try target.readBack(at: offset, into: &found)
        let known = Int(min(end, source.byteCount) - offset)
        var expected = wanted.mutablePrefix(known)
        try source.read(at: offset, into: &expected)
        var place = offset
        while place < offset + UInt64(known) {
          let extent = try map.extent(at: place, limit: offset + UInt64(known))
          let start = Int(place - offset)
          place = extent.end
          guard policy.action(for: extent.kind).isCovered else { continue }
          let length = Int(extent.length)
          guard let span = Self.difference(buffer.slice(start, length), wanted.slice(start, length)) else { continue }
          let lower = differing?.lowerBound ?? extent.offset + UInt64(span.lowerBound)
          differing = lower..<(extent.offset + UInt64(span.upperBound))
        }
        offset = end
      }
    }
    return differing
  }

  /// The range from the first to the last byte in which two spans of one length differ.
  private static func difference(_ a: RawSpan, _ b: RawSpan) -> Range<Int>? {
    var found: Range<Int>?
    for i in 0..<a.byteCount {
      let x = unsafe a.unsafeLoad(fromByteOffset: i, as: UInt8.self)
      let y = unsafe b.unsafeLoad(fromByteOffset: i, as: UInt8.self)
      if x != y { found = (found?.lowerBound ?? i)..<(i + 1) }
    }
    return found
  }
}
