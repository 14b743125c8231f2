import CLinux
import Glibc
import Threads

/// Turns Ctrl-C into a clean stop: the job sees it between two steps; one that is stuck is ended after ten seconds.
package final class InterruptWatch: Sendable {
  private let isStopped = Monitor(false)
  private let thread: Threads.Thread?

  /// Starts watching; `state` says what became of the target.
  package init(state: @escaping @Sendable () -> String) {
    _ = clinux_catch_interrupts()
    let isStopped = isStopped
    thread = Threads.Thread(name: "interrupts") {
      // Microseconds; short at first, so that nobody who is done at once waits for this thread to end.
      var pause: UInt32 = 500
      var waited: UInt32 = 0
      while !isStopped.update({ $0 }) {
        usleep(pause)
        pause = min(pause * 2, 50_000)
        guard clinux_interrupt_count() > 0 else { continue }
        waited += pause
        if waited >= 10_000_000 {
          printError("\nstopped: \(state())")
          _exit(130)
        }
      }
    }
  }

  /// Ends the watching.
  package func stop() {
    isStopped.update { $0 = true }
    thread?.join()
  }

  /// Whether the user has asked to stop.
  package static var isInterrupted: Bool { clinux_interrupt_count() > 0 }
}
