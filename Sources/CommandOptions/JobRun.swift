package import ArgumentParser
import Bytes
package import Flashing
import Flow
import Patching
package import Terminal

/// Runs a job for a command: progress, questions, Ctrl-C, exit status.
package struct JobRun {
  private let tool: String
  /// Whether nobody is asked before a disk with contents is overwritten.
  private let asksNobody: Bool
  private let progress: ProgressStyle
  private let asJSON: Bool
  /// Whether standard output is the target, so that everything else goes to standard error.
  private let outputIsTarget: Bool

  package init(tool: String, options: RunOptions, asJSON: Bool, outputIsTarget: Bool) {
    self.init(
      tool: tool, asksNobody: options.yes, progress: options.progress, asJSON: asJSON, outputIsTarget: outputIsTarget)
  }

  package init(
    tool: String, asksNobody: Bool, progress: ProgressStyle = .auto, asJSON: Bool, outputIsTarget: Bool
  ) {
    self.tool = tool
    self.asksNobody = asksNobody
    self.progress = progress
    self.asJSON = asJSON
    self.outputIsTarget = outputIsTarget
  }

  /// Runs the job of `request` and prints its reports; throws `ExitCode` once a failure has been said.
  package func run(_ request: FlashRequest) throws {
    let asks = isInteractive && !asksNobody
    let job = FlashJob(
      request,
      voice: FlashJob.Voice(
        say: { [tool] in printError("\(tool): \($0)") }, confirm: { asks ? Terminal.confirm($0) : true },
        list: { [self] in show($0) }))
    let watch = InterruptWatch { job.targetState }
    let display = ProgressDisplay(progress) { job.progress.sample }
    let reports: [FlashReport]
    do {
      defer {
        display.stop()
        watch.stop()
      }
      reports = try job.run()
    } catch {
      if InterruptWatch.isInterrupted || error is Interrupted {
        printError("\(tool): stopped: \(job.targetState)")
        throw ExitCode(ExitStatus.interrupted.rawValue)
      }
      printError("\(tool): \(error)")
      if !(error is VerificationFailure || error is PatchMismatch) { printError("\(tool): \(job.targetState)") }
      throw ExitCode(ExitStatus(for: error).rawValue)
    }
    for report in reports { show(report, isDryRun: request.isDryRun) }
  }

  private func show(_ report: FlashReport, isDryRun: Bool) {
    if asJSON { return write([report.record.json]) }
    guard isDryRun else { return write(report.sentences) }
    write(report.planned.map { "would patch: " + $0.sentence } + ["nothing was written (dry run)"])
  }

  private func show(_ listing: PartitionListing) {
    var lines = [listing.record.json]
    if !asJSON {
      lines = listing.heading
      if !listing.rows.isEmpty {
        lines += ColumnTable(header: listing.header, rows: listing.rows, rightAligned: [0, 1, 2]).lines
      }
    }
    write(lines)
    for note in listing.notes { printError("\(tool): \(note)") }
  }

  private func write(_ lines: [String]) {
    for line in lines { if outputIsTarget { printError(line) } else { print(line) } }
  }
}

/// Prints what the image of `request` is.
package func showInfo(_ request: SourceRequest, _ output: OutputOptions, tool: String) throws {
  let watch = InterruptWatch { "nothing was changed" }
  defer { watch.stop() }
  let info = try ImageInfo(request, withInternals: output.debug)
  for note in info.notes { printError("\(tool): \(note)") }
  if output.json { print(info.record.json) } else { for line in FactTable(info.record).lines { print(line) } }
}

/// Prints what the Clonezilla folder of `request` holds.
package func showFolder(_ request: SourceRequest, _ output: OutputOptions, tool: String) throws {
  let watch = InterruptWatch { "nothing was changed" }
  defer { watch.stop() }
  let listing = try FolderListing(request)
  for note in listing.notes { printError("\(tool): \(note)") }
  if output.json { return print(listing.record.json) }
  for disk in listing.disks {
    print(disk.heading)
    let table = ColumnTable(header: FolderListing.columns, rows: disk.rows, rightAligned: [1, 2, 4, 7, 8])
    for line in table.lines { print(line) }
  }
}

/// Ends the program with the sentence and the status that belong to `error`; a parser's own errors go to `command`.
package func leave<Command: ParsableArguments>(_ error: any Error, tool: String, command: Command.Type) -> Never {
  if let code = error as? ExitCode { Command.exit(withError: code) }
  let status = error is UsageError ? .usage : ExitStatus(for: error)
  if status == .bug { Command.exit(withError: error) }
  printError("\(tool): \(error)")
  Command.exit(withError: ExitCode(status.rawValue))
}

extension JobProgress {
  /// The job's progress at this moment.
  var sample: ProgressSample {
    let (written, zeroed) = counts
    return ProgressSample(
      phase: phase.name, done: done, total: total, details: ["written": .size(written), "zeroed": .size(zeroed)])
  }
}
