import BlockIO
import Threads

/// Recently read windows of an image, each loaded by one thread while others that want it wait.
///
/// Windows in use stay, and up to a fixed number in all some more, so that neighbouring extents of one strip cost one
/// reading. The memory of one that is not in use goes over to the next one.
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

  /// Keeps up to `capacity` windows of `windowSize` bytes, those in use among them, or more while more are in use; `load`
  /// fills and checks one.
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
      let idle = state.windows.lazy.filter { $0.users == 0 }
      if state.windows.count >= capacity, let window = idle.min(by: { $0.lastUse < $1.lastUse }) {
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
      var count = state.windows.count
      state.windows.removeAll { other in
        guard other.users == 0, other.failure != nil || (count > capacity && other !== window) else { return false }
        count -= 1
        return true
      }
    }
  }
}
