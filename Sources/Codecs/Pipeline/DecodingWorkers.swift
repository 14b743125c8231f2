import BlockIO
import Threads

/// The threads that decode a pipeline's pieces; they start with the first one, since many a stream has none.
package final class DecodingWorkers: Sendable {
  /// What is thrown where not one thread can be had.
  static var noThread: ImageError {
    ImageError(.unsupported, format: "decoder", "cannot start a thread: a limit (ulimit -u) is reached")
  }

  private let count: Int
  private let work: @Sendable () -> Void
  private let threads = Monitor<[Thread]>([])

  /// `count` threads, each of which will run `work`.
  init(count: Int, _ work: @escaping @Sendable () -> Void) {
    self.count = count
    self.work = work
  }

  /// Starts them unless they run; fewer where the system has not as many left, and throws where it has none.
  func start() throws {
    let hasStarted = threads.update { threads in
      guard threads.isEmpty else { return true }
      for index in 0..<count {
        guard let thread = Thread(name: "decode.\(index)", work) else { break }
        threads.append(thread)
      }
      return !threads.isEmpty
    }
    guard hasStarted else { throw Self.noThread }
  }

  /// Waits until all have ended.
  func join() {
    for thread in threads.update({ $0 }) { thread.join() }
  }
}
