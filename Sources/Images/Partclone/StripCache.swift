import BlockIO
import Threads

/// Recently read windows of an image, each loaded by one thread while others that want it wait.
///
/// Windows in use stay; beyond them a few more, so that neighbouring extents of one strip cost one reading.
final class StripCache: Sendable {
  /// A window's memory and who uses it.
  final class Window: @unchecked Sendable {
    // Unchecked: `bytes` is written by the loading thread alone and read only by threads that saw it ready; the rest
    // is guarded by the cache's monitor.
    fileprivate(set) var index: UInt64
    var bytes: Buffer
    fileprivate var users = 1
    fileprivate var lastUse: UInt64 = 0
    fileprivate var isLoading = true
    fileprivate var failure: (any Error)?

    fileprivate init(index: UInt64, size: Int) {
      self.index = index
      bytes = Buffer(count: size)
    }
  }

  private struct State {
    var windows: [Window] = []
    var clock: UInt64 = 0
  }

  private let state = Monitor(State())
  private let windowSize: Int
  private let capacity: Int
  private let load: @Sendable (_ window: Window) throws -> Void

  /// Keeps `capacity` windows of up to `windowSize` bytes beside those in use; `load` fills and checks one.
  init(windowSize: Int, capacity: Int, load: @escaping @Sendable (_ window: Window) throws -> Void) {
    self.windowSize = windowSize
    self.capacity = capacity
    self.load = load
  }

  /// Calls `body` with window `index`, loaded.
  func withWindow(_ index: UInt64, _ body: (Window) throws -> Void) throws {
    let (window, mustLoad) = take(index)
    defer { release(window) }
    if mustLoad {
      var failure: (any Error)?
      do { try load(window) } catch { failure = error }
      finish(window, failure)
    } else {
      state.update(when: { _ in !window.isLoading }) { _ in }
    }
    if let failure = window.failure { throw failure }
    try body(window)
  }

  private func take(_ index: UInt64) -> (Window, mustLoad: Bool) {
    state.update { state in
      state.clock += 1
      if let found = state.windows.first(where: { $0.index == index && $0.failure == nil }) {
        found.users += 1
        found.lastUse = state.clock
        return (found, false)
      }
      let idle = state.windows.indices.filter { state.windows[$0].users == 0 }
      if idle.count >= capacity, let oldest = idle.min(by: { state.windows[$0].lastUse < state.windows[$1].lastUse }) {
        let window = state.windows[oldest]
        window.index = index
        window.users = 1
        window.lastUse = state.clock
        window.isLoading = true
        window.failure = nil
        return (window, true)
      }
      let window = Window(index: index, size: windowSize)
      window.lastUse = state.clock
      state.windows.append(window)
      return (window, true)
    }
  }

  private func finish(_ window: Window, _ failure: (any Error)?) {
    state.update { _ in
      window.isLoading = false
      window.failure = failure
    }
  }

  private func release(_ window: Window) {
    state.update { [capacity] state in
      window.users -= 1
      var idle = state.windows.count { $0.users == 0 }
      state.windows.removeAll { other in
        guard other.users == 0, other.failure != nil || (idle > capacity && other !== window) else { return false }
        idle -= 1
        return true
      }
    }
  }
}
