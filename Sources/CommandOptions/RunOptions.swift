package import ArgumentParser
package import Flashing
package import Terminal

/// How a job runs; shared by the commands that write.
package struct RunOptions: ParsableArguments {
  @Flag(
    name: .either("verify"), inversion: .prefixedNo,
    help: "Read back what was written. (default: block devices yes, files no)")
  package var verify: Bool?
  @Option(
    name: .either("workers"),
    help: ArgumentHelp("Threads that read, decode and write. (default: one more than there are cores)", valueName: "n"))
  package var workers: Int?
  @Flag(name: .either("no-check"), help: "Do not look at the partition table and filesystems afterwards.")
  package var noCheck = false
  @Flag(name: .either("yes"), help: "Do not ask before a disk with contents is overwritten.")
  package var yes = false
  @Flag(name: .either("dry-run"), help: "Check everything, write nothing.")
  package var dryRun = false
  @Option(name: .either("progress"), help: "How progress is shown: auto, bar, plain, json or none.")
  package var progress = ProgressStyle.auto

  package init() {}

  package func validate() throws {
    if let workers, !(1...256 ~= workers) { throw ValidationError("-workers takes a number from 1 to 256") }
  }

  /// Puts the options into `request`.
  package func apply(to request: inout FlashRequest) {
    request.verifies = verify
    request.workers = workers
    request.source.workers = workers
    request.isDryRun = dryRun
    request.checksQuickly = !noCheck
  }
}
