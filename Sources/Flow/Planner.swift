import BlockIO

/// Walks an extent map and cuts it into steps whose borders suit the target.
///
/// Which sectors are covered (written or zeroed) depends on the map and the policy alone, not on where a walk began.
struct Planner {
  private let map: any ExtentMap
  private let policy: CopyPolicy
  private let units: StepUnits
  /// Where the walk ends, and where the target's own contents begin after a partial last sector.
  private let end: UInt64
  private let paddedEnd: UInt64
  private var offset: UInt64
  private var run: Step

  /// Plans the part of `map` in `range`, whose lower bound is a multiple of the target's sector size.
  init(
    _ map: any ExtentMap, range: Range<UInt64>, policy: CopyPolicy, units: StepUnits, targetByteCount: UInt64
  ) {
    self.map = map
    self.policy = policy
    self.units = units
    end = range.upperBound
    paddedEnd =
      range.upperBound == map.byteCount
      ? min(range.upperBound.aligned(up: units.sector), max(targetByteCount, range.upperBound)) : range.upperBound
    offset = range.lowerBound
    run = Step(offset: offset, length: 0, action: .write)
  }

  /// The next step in ascending order, or nil at the end.
  mutating func next() throws -> Step? {
    guard offset < end else { return nil }
    try load(at: offset)
    let step = try wholeRun() ?? written()
    offset = step.end
    return step
  }

  /// The run at the current offset if it needs no bytes of the source.
  private func wholeRun() -> Step? {
    switch run.action {
    case .write: return nil
    case .zero:
      // The last sector, if partial, is completed from the target and so written.
      let stop = run.end == end && paddedEnd == end ? end : run.end.aligned(down: units.block)
      guard stop > offset, stop - offset >= units.shortestZero || stop == end else { return nil }
      return Step(offset: offset, length: units.zeroEnd(from: offset, to: stop) - offset, action: .zero)
    case .keep, .discard:
      let stop = run.end == end ? end : run.end.aligned(down: units.sector)
      guard stop > offset else { return nil }
      return Step(offset: offset, length: stop - offset, action: run.action)
    }
  }

  /// A written step from the current offset, as long as its chunk allows.
  private mutating func written() throws -> Step {
    var step = Step(offset: offset, length: 0, action: .write)
    let limit = min((offset + 1).aligned(up: units.chunk), end)
    var cursor = offset
    while cursor < limit {
      try load(at: cursor)
      if run.action == .write {
        cursor = min(run.end, limit)
      } else if run.action == .zero {
        let stop = cursor.aligned(up: units.block)
        if cursor > offset, run.end >= stop + units.shortestZero || run.end == end {
          cursor = min(stop, limit)
          break
        }
        cursor = min(run.end, limit)
      } else {
        let stop = cursor.aligned(up: units.sector)
        let isWholeSector = run.end >= stop + units.sector || run.end == end
        let keptEnd = isWholeSector ? min(stop, run.end) : run.end
        if keptEnd > cursor { step.kept.append(cursor..<min(keptEnd, limit)) }
        cursor = min(keptEnd, limit)
        if isWholeSector { break }
      }
    }
    if cursor == end, paddedEnd > end {
      step.kept.append(end..<paddedEnd)
      cursor = paddedEnd
    }
    step.length = cursor - offset
    return step
  }

  /// Makes `run` the range of one action that holds `position`.
  private mutating func load(at position: UInt64) throws {
    if run.offset <= position && position < run.end { return }
    let limit = min(position + (1 << 40), end)
    var extent = try map.extent(at: position, limit: limit)
    run = Step(offset: position, length: extent.length, action: policy.action(for: extent.kind))
    // Look far enough that short neighbours of one action count as one.
    while run.end < limit, run.length < units.chunk || run.action != .write {
      extent = try map.extent(at: run.end, limit: limit)
      guard policy.action(for: extent.kind) == run.action else { break }
      run.length += extent.length
      if run.length >= units.longestZero { break }
    }
  }
}
