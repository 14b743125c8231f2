import CLinux
import Glibc

/// A joinable kernel thread.
///
/// Blocking calls belong on these and never on Swift's cooperative pool, which has one thread for each core.
package struct Thread: Sendable {
  private let handle: pthread_t

  private final class Start {
    let name: String
    let body: () -> Void
    init(_ name: String, _ body: @escaping () -> Void) { (self.name, self.body) = (name, body) }
  }

  /// Starts a thread; nil where the system has none left to give.
  package init?(name: String, _ body: sending @escaping () -> Void) {
    var handle = pthread_t()
    let start = unsafe Unmanaged.passRetained(Start(name, body))
    let status = unsafe pthread_create(
      &handle, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
        _ = unsafe clinux_set_thread_name(start.name)
        start.body()
        return nil
      }, start.toOpaque())
    guard status == 0 else {
      unsafe start.release()
      return nil
    }
    self.handle = handle
  }

  /// Waits until the thread has ended; call once.
  package func join() { _ = pthread_join(handle, nil) }
}

/// The system has no thread left to give.
package struct ThreadError: Error, CustomStringConvertible {
  package var description: String { "cannot start a thread: a limit of the system (ulimit -u) is reached" }
}
