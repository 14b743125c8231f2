package import ArgumentParser
import Browsing
import Bytes
import Flashing
package import Patching
import Terminal

/// How a command that changes files inside a disk runs; shared by all of them.
package struct ChangeOptions: ParsableArguments {
  @Option(
    name: .either("partition"),
    help: ArgumentHelp("The partition's number, as behind the colon of TARGET:N.", valueName: "n"))
  package var partition: Int?
  @Flag(name: .either("dry-run"), help: "Check everything and show the plan, write nothing.")
  package var dryRun = false
  @Flag(name: .either("no-check"), help: "Do not look at the partition table and filesystems afterwards.")
  package var noCheck = false
  @Flag(name: .either("json"), help: "Print the result as JSON.")
  package var json = false

  package init() {}

  package func validate() throws {
    if let partition, partition < 1 { throw ValidationError("-partition takes a number from 1 on") }
  }

  /// Makes `steps` in the device or file called `target`, which may name a partition, and prints what was done.
  package func run(_ steps: [PatchStep], in target: String, tool: String) throws {
    let (name, number) = try Self.volume(target, partition)
    var patches = PatchRequest()
    patches.steps = steps
    patches.partition = number
    var request = PatchJob.Request(name, patches)
    request.isDryRun = dryRun
    request.checksQuickly = !noCheck
    let job = PatchJob(request) { printError("\(tool): \($0)") }
    let watch = InterruptWatch { job.targetState }
    let report: PatchJob.Report
    do {
      defer { watch.stop() }
      report = try job.run()
    } catch {
      printError("\(tool): \(error)")
      let isInterrupted = InterruptWatch.isInterrupted
      if !(error is PatchMismatch) { printError("\(tool): \(isInterrupted ? "stopped: " : "")\(job.targetState)") }
      throw ExitCode((isInterrupted ? .interrupted : ExitStatus(for: error)).rawValue)
    }
    if json { return print(report.record.json) }
    for line in report.sentences { print(line) }
  }

  /// The device or file, and the partition that stands behind its name or in an option.
  package static func volume(_ text: String, _ option: Int?) throws -> (name: String, number: Int?) {
    let volume = VolumeName(text)
    switch volume.part {
    case nil: return (text, option)
    case .number(let number):
      guard option.map({ $0 == number }) ?? true else {
        throw RequestError("\(text) names partition \(number), and -partition \(option ?? 0)")
      }
      return (volume.image, number)
    case .device: throw RequestError("\(text) is a saved image in a folder and is not changed; restore it with --patch")
    }
  }
}
