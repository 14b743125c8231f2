import BlockIO
import Bytes

/// Cuts an extent stream into steps whose borders suit the target, each with its bytes in a buffer.
///
/// It covers the same sectors as `Planner` does on the stream's map.
struct Assembler {
  private let stream: any ExtentStream
  private let policy: CopyPolicy
  private let units: StepUnits
  private let targetByteCount: UInt64
  /// Start of the step in the making, a multiple of the sector size.
  private var start: UInt64 = 0
  /// How far the stream has been read.
  private(set) var delivered: UInt64 = 0
  /// The rest of a long extent without data that is still to be dealt with.
  private var gap: (end: UInt64, action: Action)?
  private var isAtEnd = false

  init(_ stream: any ExtentStream, policy: CopyPolicy, units: StepUnits, targetByteCount: UInt64) {
    self.stream = stream
    self.policy = policy
    self.units = units
    self.targetByteCount = targetByteCount
  }

  /// The next step; if it is a write, its bytes fill the front of `buffer`, which holds a chunk and a sector.
  mutating func next(into buffer: inout Buffer) throws -> Step? {
    var step = Step(offset: start, length: 0, action: .write)
    var isCovered = false
    let limit = (start + 1).aligned(up: units.chunk)
    while step.end < limit {
      if gap == nil, !isAtEnd { try pull(into: &buffer, step: &step, limit: limit, isCovered: &isCovered) }
      if let gap {
        if let whole = wholeGap(gap, after: step) {
          start = whole.end
          self.gap = whole.end < gap.end ? (gap.end, gap.action) : nil
          return whole
        }
        if !absorb(gap, into: &step, of: &buffer, limit: limit, isCovered: &isCovered) { break }
      } else if isAtEnd {
        break
      }
    }
    guard step.length > 0 else { return nil }
    if isAtEnd, gap == nil, isCovered { cutAtEnd(&step, of: &buffer) }
    if !isCovered { step = Step(offset: step.offset, length: step.length, action: .keep) }
    if isAtEnd, gap == nil, step.action == .write { padLastSector(&step) }
    start = step.end
    return step
  }

  /// Takes the next extent from the stream: data behind what the step holds, anything else as a gap.
  private mutating func pull(
    into buffer: inout Buffer, step: inout Step, limit: UInt64, isCovered: inout Bool
  ) throws {
    guard let extent = try pullExtent(into: &buffer, step.length, upTo: limit - step.offset) else {
      isAtEnd = true
      if let announced = stream.byteCount, announced != delivered {
        throw StreamLengthError(announced: announced, delivered: delivered)
      }
      return
    }
    precondition(extent.offset == delivered && extent.length > 0, "a stream's extents ascend without gaps")
    guard let end = extent.offset.adding(extent.length), end <= targetByteCount else {
      throw TargetTooSmall(needed: extent.offset.adding(extent.length) ?? .max, available: targetByteCount)
    }
    delivered = end
    let action = policy.action(for: extent.kind)
    if action == .write {
      precondition(end <= limit, "a data extent fits its buffer")
      step.length += extent.length
      isCovered = true
    } else {
      gap = (end, action)
    }
  }

  /// The stream's next extent; its bytes, if it is data, stand in `buffer` from `start` on and end at `end` or before.
  private mutating func pullExtent(into buffer: inout Buffer, _ start: UInt64, upTo end: UInt64) throws -> Extent? {
    // A whole chunk that has been decoded already need not be copied.
    if start == 0, let extent = try stream.exchange(&buffer, count: Int(end)) { return extent }
    var rest = buffer.mutableSlice(Int(start), Int(end - start))
    return try stream.next(into: &rest)
  }

  /// The part of `gap` that is a step by itself, if nothing precedes it and it reaches over whole units.
  private func wholeGap(_ gap: (end: UInt64, action: Action), after step: Step) -> Step? {
    guard step.length == 0 else { return nil }
    let unit = gap.action == .zero ? units.block : units.sector
    let stop = gap.end.aligned(down: unit)
    guard stop > start, gap.action != .zero || stop - start >= units.shortestZero else { return nil }
    let end = gap.action == .zero ? units.zeroEnd(from: start, to: stop) : stop
    return Step(offset: start, length: end - start, action: gap.action)
  }

  /// Takes as much of the gap into the step as belongs there; false once the step ends before the gap's rest.
  private mutating func absorb(
    _ gap: (end: UInt64, action: Action), into step: inout Step, of buffer: inout Buffer, limit: UInt64,
    isCovered: inout Bool
  ) -> Bool {
    if gap.action == .zero {
      let border = step.end.aligned(up: units.block)
      let endsStep = step.length > 0 && gap.end >= border + units.shortestZero
      let stop = min(endsStep ? border : gap.end, limit)
      clear(to: stop, in: &step, of: &buffer)
      isCovered = true
      self.gap = stop < gap.end ? gap : nil
      return !endsStep
    }
    let border = trailingKept(of: step).aligned(up: units.sector)
    if gap.end >= border + units.sector {
      cut(&step, at: border, gap: gap, of: &buffer)
      return step.length == 0
    }
    let stop = min(gap.end, limit)
    let start = step.end
    clear(to: stop, in: &step, of: &buffer)
    keep(start..<stop, in: &step)
    self.gap = stop < gap.end ? gap : nil
    return true
  }

  /// Where the kept range that ends `step` begins: its end if none does.
  private func trailingKept(of step: Step) -> UInt64 {
    if let last = step.kept.last, last.upperBound == step.end { last.lowerBound } else { step.end }
  }

  /// Ends the step at `border`, from where whole sectors are left alone; `border` lies in or at the end of what is kept.
  private mutating func cut(
    _ step: inout Step, at border: UInt64, gap: (end: UInt64, action: Action), of buffer: inout Buffer
  ) {
    let start = trailingKept(of: step)
    if let last = step.kept.last, last.upperBound == step.end { step.kept.removeLast() }
    if border > step.end { clear(to: border, in: &step, of: &buffer) }
    step.length = border - step.offset
    if border > start { keep(start..<border, in: &step) }
    self.gap = gap
  }

  private func keep(_ range: Range<UInt64>, in step: inout Step) {
    guard !range.isEmpty else { return }
    if let last = step.kept.last, last.upperBound == range.lowerBound {
      step.kept[step.kept.count - 1] = last.lowerBound..<range.upperBound
    } else {
      step.kept.append(range)
    }
  }

  /// Lengthens the step to `stop` with zeroes.
  private func clear(to stop: UInt64, in step: inout Step, of buffer: inout Buffer) {
    guard stop > step.end else { return }
    var place = buffer.mutableSlice(Int(step.length), Int(stop - step.end))
    place.fillWithZeroes()
    step.length = stop - step.offset
  }

  /// Leaves a partial last sector alone if nothing in it is covered.
  private mutating func cutAtEnd(_ step: inout Step, of buffer: inout Buffer) {
    let border = trailingKept(of: step).aligned(up: units.sector)
    if border > step.offset, border < step.end { cut(&step, at: border, gap: (delivered, .keep), of: &buffer) }
  }

  /// Completes a partial last sector with the target's own contents.
  private func padLastSector(_ step: inout Step) {
    let padded = min(step.end.aligned(up: units.sector), targetByteCount)
    guard padded > step.end else { return }
    step.kept.append(step.end..<padded)
    step.length = padded - step.offset
  }
}
