import ArgumentParser
import Bytes
import Flashing
import Flow
import Terminal

/// Writes an image to a disk, a file or a pipe.
struct Flash: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write an image to a disk, a file or a pipe.",
    usage: "qflash -src <image> [-dst <target>] [options]")

  /// What to do with ranges that no layer of an image allocates.
  enum Unallocated: String, CaseIterable, ExpressibleByArgument {
    case zero, keep, discard
  }

  @Option(name: .either("src"), help: ArgumentHelp("The image; - is standard input.", valueName: "image"))
  var src: String?
  @Option(
    name: .either("dst"),
    help: ArgumentHelp(
      "A block device, a file, or - for standard output. Without it the image is described.", valueName: "target"))
  var dst: String?
  @Flag(name: .either("list-parts"), help: "List the partitions in the image.")
  var listParts = false
  @Flag(name: .either("regions"), help: "List all regions of the disk: boot area, partitions, gaps, tables.")
  var regions = false
  @Option(
    name: .either("write-parts"),
    help: ArgumentHelp("Write single partitions: 1=/dev/sda1,3=p3.img", valueName: "n=target,…"))
  var writeParts: String?
  @OptionGroup(title: "The image") var source: SourceOptions
  @Flag(
    name: .either("verify"), inversion: .prefixedNo,
    help: "Read back what was written. (default: block devices yes, files no)")
  var verify: Bool?
  @Option(
    name: .either("unallocated"),
    help: "What becomes of ranges that the image does not allocate: zeroed, kept as they are, or discarded.")
  var unallocated = Unallocated.zero
  @Option(
    name: .either("workers"),
    help: ArgumentHelp("Threads that read, decode and write. (default: one more than there are cores)", valueName: "n"))
  var workers: Int?
  @Flag(name: .either("yes"), help: "Do not ask before a disk with contents is overwritten.")
  var yes = false
  @Flag(name: .either("no-gpt-fix"), help: "Leave the backup GPT where the image has it, also on a larger disk.")
  var noGPTFix = false
  @Flag(
    name: .either("allow-sector-mismatch"),
    help: "Write a partition table for 512-byte sectors to a disk with 4096-byte ones, or the reverse.")
  var allowSectorMismatch = false
  @Flag(name: .either("dry-run"), help: "Check everything, write nothing.")
  var dryRun = false
  @OptionGroup(title: "Output") var output: OutputOptions
  @Option(name: .either("progress"), help: "How progress is shown: auto, bar, plain, json or none.")
  var progress = ProgressStyle.auto
  @Argument(help: .hidden) var unexpected: [String] = []

  func validate() throws {
    if let word = unexpected.first {
      throw ValidationError(
        ["flash", "info", "help"].contains(word)
          ? "put the subcommand '\(word)' first"
          : "unexpected word '\(word)': images are named with -src, targets with -dst")
    }
    guard src != nil else { throw ValidationError("no image: name one with -src") }
    if let workers, !(1...256 ~= workers) { throw ValidationError("-workers takes a number from 1 to 256") }
  }

  func run() throws {
    let request = source.request(for: src ?? "")
    guard dst != nil || listParts || regions || writeParts != nil else { return try Info.show(request, output) }
    var flash = FlashRequest(source: request, target: dst)
    flash.listsPartitions = listParts || regions
    flash.listsRegions = regions
    flash.partitions = try writeParts.map(PartitionTargets.init)?.targets ?? []
    flash.verifies = verify
    flash.workers = workers
    flash.isDryRun = dryRun
    flash.fixesGPT = !noGPTFix
    flash.allowsSectorMismatch = allowSectorMismatch
    flash.policy.unallocated =
      switch unallocated {
      case .zero: .zero
      case .keep: .keep
      case .discard: .discard
      }
    try run(flash)
  }

  private func run(_ request: FlashRequest) throws {
    let asks = isInteractive && !yes
    let job = FlashJob(
      request,
      voice: FlashJob.Voice(
        say: { printError("qflash: \($0)") }, confirm: { asks ? Terminal.confirm($0) : true },
        list: { [output] in Self.show($0, asJSON: output.json, onError: request.usesStandardOutput) }))
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
        printError("qflash: stopped: \(job.targetState)")
        throw ExitCode(ExitStatus.interrupted.rawValue)
      }
      printError("qflash: \(error)")
      if !(error is VerificationFailure) { printError("qflash: \(job.targetState)") }
      throw ExitCode(ExitStatus(for: error).rawValue)
    }
    for report in reports { show(report, onError: request.usesStandardOutput) }
  }

  /// Prints the partitions.
  private static func show(_ listing: PartitionListing, asJSON: Bool, onError: Bool) {
    var lines = [listing.record.json]
    if !asJSON {
      lines = listing.heading
      if !listing.rows.isEmpty {
        lines += ColumnTable(header: listing.header, rows: listing.rows, rightAligned: [0, 1, 2]).lines
      }
    }
    for line in lines { if onError { printError(line) } else { print(line) } }
    for note in listing.notes { printError("qflash: \(note)") }
  }

  /// Prints the report; on standard error where standard output is the disk.
  private func show(_ report: FlashReport, onError: Bool) {
    let lines = output.json ? [report.record.json] : dryRun ? ["nothing was written (dry run)"] : report.sentences
    for line in lines {
      if onError { printError(line) } else { print(line) }
    }
  }
}

extension JobProgress {
  /// The job's progress at this moment.
  var sample: ProgressSample {
    let (written, zeroed) = counts
    return ProgressSample(
      phase: phase.name, done: done, total: total, details: ["written": .size(written), "zeroed": .size(zeroed)])
  }
}
