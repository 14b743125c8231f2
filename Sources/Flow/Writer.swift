import BlockIO
import Bytes

/// One worker's end of a copy: carries out steps on the target and keeps the sums of what was written.
struct Writer {
  private let target: any BlockTarget
  private let digests: Digests?
  private let progress: Progress
  /// Zero ranges from this size on, and on 4096-byte borders, stay holes in a file.
  private static let shortestHole = 16 << 10

  init(target: any BlockTarget, digests: Digests?, progress: Progress) {
    self.target = target
    self.digests = digests
    self.progress = progress
  }

  /// Carries out `step`; if it is a write, `buffer` holds its bytes.
  func put(_ step: Step, from buffer: inout Buffer) throws {
    switch step.action {
    case .write:
      for range in step.kept { try complete(range, of: step, in: &buffer) }
      return try put(step, buffer.prefix(Int(step.length)))
    case .zero: if !target.isKnownZero { try target.writeZeroes(at: step.offset, count: step.length) }
    case .keep: break
    case .discard: try target.discard(at: step.offset, count: step.length)
    }
    count(step)
  }

  /// Writes `bytes`, all of those of `step`.
  private func put(_ step: Step, _ bytes: RawSpan) throws {
    digests?.add(bytes, at: step.offset)
    if target.isKnownZero {
      try writeAroundZeroes(bytes, at: step.offset)
    } else if bytes.byteCount >= 64 << 10, bytes.isAllZero {
      try target.writeZeroes(at: step.offset, count: step.length)
    } else {
      try target.write(bytes, at: step.offset)
    }
    count(step)
  }

  /// Counts a step that has been carried out.
  func count(_ step: Step) {
    let kept = step.kept.reduce(0) { $0 + UInt64($1.count) }
    progress.add(step.length - kept, step.action)
    if kept > 0 { progress.add(kept, .keep) }
  }

  /// Puts the target's old contents of `range` into the buffer of `step`.
  private func complete(_ range: Range<UInt64>, of step: Step, in buffer: inout Buffer) throws {
    let sector = UInt64(target.sectorSize)
    let start = range.lowerBound.aligned(down: sector)
    let count = Int(range.upperBound.aligned(up: sector) - start)
    var old = Buffer(count: count)
    var span = old.mutablePrefix(count)
    if target.isKnownZero { span.fillWithZeroes() } else { try target.readBack(at: start, into: &span) }
    let kept = old.slice(Int(range.lowerBound - start), range.count)
    var place = buffer.mutableSlice(Int(range.lowerBound - step.offset), range.count)
    place.copy(kept, at: 0)
  }

  /// Writes `bytes` but for their longer runs of zero blocks, on a target that reads as zeroes already.
  private func writeAroundZeroes(_ bytes: RawSpan, at offset: UInt64) throws {
    let block = Int(Digests.block)
    var start = 0
    var cursor = 0
    var zeroes = 0
    while cursor < bytes.byteCount {
      let count = min(block - Int((offset + UInt64(cursor)) % UInt64(block)), bytes.byteCount - cursor)
      if bytes.slice(cursor, count).isAllZero {
        zeroes += count
      } else {
        if zeroes >= Self.shortestHole || cursor == zeroes {
          if cursor - zeroes > start {
            try target.write(bytes.slice(start, cursor - zeroes - start), at: offset + UInt64(start))
          }
          start = cursor
        }
        zeroes = 0
      }
      cursor += count
    }
    let end = cursor - zeroes
    if end > start { try target.write(bytes.slice(start, end - start), at: offset + UInt64(start)) }
  }
}
