import BlockIO
import Bytes

/// Lets steps go from a file's cached pages to the device where the file holds their bytes as they are.
///
/// The kernel then copies nothing: of a stored image in the page cache that saves most of the processor time of a copy.
/// What can't go that way, for whatever reason, is left to reading and writing, which say what is wrong.
struct SplicedStep: ~Copyable {
  private let source: any BlockSource
  private let target: any BlockTarget
  private let capacity: Int
  private var way = Way.unopened
  /// Shorter ranges of files are copied: a call for each costs as much as copying some pages.
  private static let shortestRange: UInt64 = 64 << 10
  /// How much of a step has to be zero for it to be read, which may find that all of it is.
  private static let probe = 4096

  private enum Way {
    /// A pipe is made when it is wanted.
    case unopened
    case open(PagePipe)
    /// The system has no pipe to give, or one has failed.
    case closed
  }

  init(_ source: any BlockSource, to target: any BlockTarget, chunk: UInt64) {
    self.source = source
    self.target = target
    capacity = Int(chunk)
  }

  /// Carries out a step that writes; false if it has to be read and written, whether some of it has been written or not.
  ///
  /// `buffer`, which has room for a step, is used to look at its beginning.
  mutating func put(_ step: Step, _ buffer: inout Buffer) throws -> Bool {
    if case .closed = way { return false }
    guard step.kept.isEmpty, target.takesPages(step.offset..<step.end), let ranges = try ranges(of: step) else {
      return false
    }
    guard let pipe = openPipe() else { return giveUp() }
    var position = step.offset
    for range in ranges {
      var taken: UInt64 = 0
      while taken < range.length {
        guard let count = pipe.take(range, from: taken) else { return giveUp() }
        if position == step.offset, taken == 0, try startsWithZeroes(step, &buffer) {
          // Likely all zero, which is for the target to make by itself. What waits in the pipe is dropped with it.
          way = .unopened
          return false
        }
        taken += count
        if count == 0 {
          guard try move(&position, through: pipe) else { return giveUp() }
        }
      }
    }
    return try move(&position, through: pipe) || giveUp()
  }

  /// Moves what waits in the pipe to the target at `position`, and that on.
  private func move(_ position: inout UInt64, through pipe: PagePipe) throws -> Bool {
    let count = UInt64(pipe.count)
    guard try target.write(pipe, at: position) else { return false }
    position += count
    return true
  }

  /// The pipe to use; nil where the system has none.
  private mutating func openPipe() -> PagePipe? {
    if case .open(let pipe) = way { return pipe }
    guard let pipe = PagePipe(capacity: capacity) else { return nil }
    way = .open(pipe)
    return pipe
  }

  /// Goes back to copying, for this step and all that follow.
  private mutating func giveUp() -> Bool {
    way = .closed
    return false
  }

  /// Whether the first bytes of a step, which are in the page cache by now, are zero.
  private func startsWithZeroes(_ step: Step, _ buffer: inout Buffer) throws -> Bool {
    let count = min(Int(step.length), Self.probe)
    var bytes = buffer.mutablePrefix(count)
    try source.read(at: step.offset, into: &bytes)
    return buffer.prefix(count).isAllZero
  }

  /// The ranges of files that hold the step's bytes; nil where a part of it is not stored as it is.
  private func ranges(of step: Step) throws -> [StoredRange]? {
    // A disk's last sector may be partial.
    guard step.end <= source.byteCount else { return nil }
    var ranges: [StoredRange] = []
    var position = step.offset
    while position < step.end {
      guard let range = try source.stored(at: position, limit: step.end),
        range.length >= Self.shortestRange || position + range.length == step.end
      else { return nil }
      ranges.append(range)
      position += range.length
    }
    return ranges
  }
}
