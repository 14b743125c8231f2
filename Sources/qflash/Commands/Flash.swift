import ArgumentParser
import CommandOptions
import Flashing
import Flow

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
  @OptionGroup(title: "Changes inside what was written, in the order in which they are named") var patches: PatchOptions
  @Option(
    name: .either("partition"), help: ArgumentHelp("The partition of changes that name none.", valueName: "n"))
  var partition: Int?
  @OptionGroup(title: "The image") var source: SourceOptions
  @Option(
    name: .either("unallocated"),
    help: "What becomes of ranges that the image does not allocate: zeroed, kept as they are, or discarded.")
  var unallocated = Unallocated.zero
  @Flag(name: .either("no-gpt-fix"), help: "Leave the backup GPT where the image has it, also on a larger disk.")
  var noGPTFix = false
  @Flag(
    name: .either("allow-sector-mismatch"),
    help: "Write a partition table for 512-byte sectors to a disk with 4096-byte ones, or the reverse.")
  var allowSectorMismatch = false
  @OptionGroup(title: "The run") var options: RunOptions
  @OptionGroup(title: "Output") var output: OutputOptions
  @Argument(help: .hidden) var unexpected: [String] = []

  func validate() throws {
    if let word = unexpected.first {
      throw ValidationError(
        QFlash.subcommands.contains(word)
          ? "put the subcommand '\(word)' first"
          : "unexpected word '\(word)': images are named with -src, targets with -dst")
    }
    if let partition, partition < 1 { throw ValidationError("-partition takes a number from 1 on") }
    if !patches.isEmpty, dst == nil {
      throw ValidationError("changes need a target: name one with -dst, or see qflash patch")
    }
    guard src != nil else { throw ValidationError("no image: name one with -src") }
  }

  func run() throws {
    let request = source.request(for: src ?? "")
    guard dst != nil || listParts || regions || writeParts != nil else {
      return try showInfo(request, output, tool: "qflash")
    }
    var flash = FlashRequest(source: request, target: dst)
    flash.listsPartitions = listParts || regions
    flash.listsRegions = regions
    flash.partitions = try writeParts.map(PartitionTargets.init)?.targets ?? []
    options.apply(to: &flash)
    flash.patches = try patches.request(partition: partition)
    if patches.readsStandardInput, src == "-" {
      throw RequestError("standard input cannot be both the image and a file")
    }
    flash.fixesGPT = !noGPTFix
    flash.allowsSectorMismatch = allowSectorMismatch
    flash.policy.unallocated =
      switch unallocated {
      case .zero: .zero
      case .keep: .keep
      case .discard: .discard
      }
    try JobRun(tool: "qflash", options: options, asJSON: output.json, outputIsTarget: flash.usesStandardOutput).run(
      flash)
  }
}
