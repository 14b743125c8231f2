import BlockIO
import Bytes
import Glibc
import Threads

/// A device that serves one write at a time, at a rate and with stalls, or a memory that takes all at once.
final class SimulatedDevice: BlockTarget {
  /// How many writes waited or were served, over time.
  struct Depth {
    /// Mean over the whole time, most at one moment, and the share of the time with at least one.
    var mean = 0.0
    var most = 0
    var busy = 0.0
  }

  private struct State {
    var depth = 0
    var most = 0
    /// Seconds times depth, and seconds with a depth above 0.
    var area = 0.0
    var busy = 0.0
    var last: ContinuousClock.Instant
    let start: ContinuousClock.Instant
    /// Whether a write is being served.
    var isServing = false
    /// Bytes since the last stall.
    var sinceStall = 0

    mutating func change(by step: Int) {
      let now = ContinuousClock.now
      let seconds = last.duration(to: now) / .seconds(1)
      area += seconds * Double(depth)
      if depth > 0 { busy += seconds }
      last = now
      depth += step
      most = max(most, depth)
    }
  }

  let byteCount: UInt64
  let sectorSize = 512
  private let isSlow: Bool
  private let state: Monitor<State>

  private static let bytesPerSecond = 30e6
  private static let stall = 0.02
  private static let stallInterval = 4 << 20

  init(byteCount: UInt64, isSlow: Bool) {
    self.byteCount = byteCount
    self.isSlow = isSlow
    let now = ContinuousClock.now
    state = Monitor(State(last: now, start: now))
  }

  var depth: Depth {
    state.update { state in
      state.change(by: 0)
      let seconds = state.start.duration(to: state.last) / .seconds(1)
      return Depth(mean: state.area / seconds, most: state.most, busy: state.busy / seconds)
    }
  }

  func write(_ bytes: RawSpan, at offset: UInt64) throws {
    state.update { $0.change(by: 1) }
    defer { state.update { $0.change(by: -1) } }
    if isSlow { serve(bytes.byteCount) } else { take(bytes) }
  }

  /// Waits its turn, and as long as the device takes for `count` bytes.
  private func serve(_ count: Int) {
    let stalls = state.update(when: { !$0.isServing }) { state in
      state.isServing = true
      state.sinceStall += count
      let stalls = state.sinceStall / Self.stallInterval
      state.sinceStall %= Self.stallInterval
      return stalls
    }
    let seconds = Double(count) / Self.bytesPerSecond + Double(stalls) * Self.stall
    usleep(UInt32(seconds * 1e6))
    state.update { $0.isServing = false }
  }

  /// Copies the bytes to memory of the writing thread's own.
  private func take(_ bytes: RawSpan) {
    var copy = Buffer(count: bytes.byteCount)
    var place = copy.mutablePrefix(bytes.byteCount)
    place.copy(bytes, at: 0)
  }

  func writeZeroes(at offset: UInt64, count: UInt64) throws {}
  func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws { buffer.fillWithZeroes() }
  func flush() throws {}
}
