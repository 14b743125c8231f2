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
      // A signal's handler may not lock, so that it cannot wake a monitor.
      while clinux_interrupt_count() == 0, !isStopped.update({ $0 }) { clinux_wait_for_interrupt() }
      if isStopped.wait(.seconds(10), for: { $0 }) { return }
      printError("\nstopped: \(state())")
      _exit(130)
    }
  }

  /// Ends the watching.
  package func stop() {
    isStopped.update { $0 = true }
    clinux_end_wait()
    thread?.join()
  }

  /// Whether the user has asked to stop.
  package static var isInterrupted: Bool { clinux_interrupt_count() > 0 }
}
