import ArgumentParser
import CommandOptions
import Flashing
import Patching
import Terminal

/// Changes files inside a disk.
struct PatchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "patch",
    abstract: "Change files inside a device or a raw image, without mounting it.",
    usage: """
      qflash patch <target[:n]> --patch /etc/hostname=name …
      qflash patch <image[:n]> -o <copy> --patch /etc/hostname=name …
      """,
    discussion: """
      All changes are tried first, in order; only if all of them can be made is anything written. Then every changed file \
      is read back from the medium and compared. A path starts with / or, for partition N, with N:/; without N it is the \
      one partition that has the path's directory. An equals sign in a path is written \\=, a byte \\xNN.
      """)

  @Argument(
    help: ArgumentHelp("A block device or a raw image, perhaps with a partition's number.", valueName: "target[:n]"))
  var target: String
  @Option(
    name: [.customShort("o"), .customLong("output"), .customLong("output", withSingleDash: true)],
    help: ArgumentHelp(
      "Leave the target as it is and write a raw disk with the changes to this file; the target may be any image then.",
      valueName: "copy"))
  var output: String?
  @Flag(name: .either("yes"), help: "Do not ask before a copy that exists is overwritten.")
  var yes = false
  @OptionGroup(title: "Changes, made in the order in which they are named") var patches: PatchOptions
  @OptionGroup(title: "The run") var options: ChangeOptions
  @OptionGroup(title: "The image, with -o") var source: SourceOptions

  func validate() throws {
    if patches.isEmpty { throw ValidationError("nothing to change: see --patch and the options that follow it") }
    if output == "-" { throw ValidationError("-o takes a file: what goes to standard output cannot be patched") }
  }

  func run() throws {
    guard let output else {
      return try options.run(
        try patches.request(partition: nil).steps, in: target, tool: "qflash")
    }
    let (name, number) = try ChangeOptions.volume(target, options.partition)
    var flash = FlashRequest(source: source.request(for: name), target: output)
    flash.patches = try patches.request(partition: number)
    flash.isDryRun = options.dryRun
    flash.checksQuickly = !options.noCheck
    flash.sharesBlocks = true
    if patches.readsStandardInput, name == "-" {
      throw RequestError("standard input cannot be both the image and a file")
    }
    try JobRun(tool: "qflash", asksNobody: yes, asJSON: options.json, outputIsTarget: false).run(flash)
  }
}
