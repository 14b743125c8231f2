import ArgumentParser
import CommandOptions
import Flashing
import Flow
import Images
import Terminal
import Threads

/// Brings a backup back to the disk or partition that it was taken from.
@main
struct Restore: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "restore",
    abstract: "Brings a backup of a partition or a disk back, whatever tool took it.",
    usage: """
      restore <image> <target>     write the backup to a partition, a disk, a file or - (standard output)
      restore <folder> <disk>      write a disk out of a Clonezilla folder
      restore <folder>:sda2 <target>   write one partition out of it
      restore <image> <target> --patch /etc/hostname=name …   and change files in it
      restore --list <folder>      show its disks and partitions
      restore --info <image>       show what the backup is
      restore --check <image>      read all of it and check it, write nothing
      """,
    version: "0.1.0")

  /// What to do with the space that the filesystem did not use.
  enum Unused: String, CaseIterable, ExpressibleByArgument {
    case keep, zero, discard
  }

  @Argument(
    help: """
      The backup: a file, any piece of a split set, - for standard input, a Clonezilla folder, or a partition or disk \
      in one (folder:sda2).
      """)
  var image: String
  @Argument(help: "A block device, a file, or - for standard output.")
  var target: String?
  @Flag(name: .either("list"), help: "Show the disks and partitions of a Clonezilla folder.")
  var list = false
  @Flag(name: .either("info"), help: "Show what the backup is, without reading its data.")
  var info = false
  @Flag(
    name: .either("check"), help: "Read all of the backup and verify every checksum and its exact end; write nothing.")
  var check = false
  @Option(name: .either("unused"), help: "What becomes of space that the filesystem did not use.")
  var unused = Unused.keep
  @Option(
    name: .either("offset"),
    help: ArgumentHelp("Write from this byte of the target on, a multiple of its sector size.", valueName: "bytes"))
  var offset: UInt64 = 0
  @Flag(name: .either("ignore-checksums"), help: "Do not compare the backup's checksums.")
  var ignoreChecksums = false
  @Flag(name: .either("rescue"), help: "Go on past damage, list what was damaged, and exit with 65.")
  var rescue = false
  @Flag(name: .either("no-boot-sector-fix"), help: "Do not rebuild NTFS's backup boot sector.")
  var noBootSectorFix = false
  @Flag(
    name: .either("keep-signatures"),
    help: "Leave the signatures of other filesystems, RAID and LVM that are found in unused space.")
  var keepSignatures = false
  @OptionGroup(title: "Changes inside what was written, in the order in which they are named") var patches: PatchOptions
  @Option(
    name: .either("partition"), help: ArgumentHelp("The partition of changes that name none.", valueName: "n"))
  var partition: Int?
  @OptionGroup(title: "The image") var source: SourceOptions
  @OptionGroup(title: "The run") var options: RunOptions
  @OptionGroup(title: "Output") var output: OutputOptions

  static func main() {
    Allocator.keepNoPassedBlocks()
    do {
      let given = Array(CommandLine.arguments.dropFirst())
      try CommandLineArguments.refuseRepeated(in: given, repeatable: PatchOptions.repeatable)
      var command = try parseAsRoot(given)
      try command.run()
    } catch { leave(error, tool: "restore", command: Self.self) }
  }

  func validate() throws {
    let looks = [list, info, check].filter(\.self).count
    guard looks > 0 || target != nil else {
      throw ValidationError("no target: name a block device, a file or -, or use --list, --info or --check")
    }
    guard looks == 0 || target == nil else { throw ValidationError("--list, --info and --check take no target") }
    guard looks == 0 || patches.isEmpty else { throw ValidationError("changes need a target") }
    if let partition, partition < 1 { throw ValidationError("-partition takes a number from 1 on") }
    guard looks < 2 else { throw ValidationError("--list, --info and --check do not go together") }
  }

  func run() throws {
    var request = source.request(for: image)
    request.options.ignoresChecksums = ignoreChecksums
    request.options.rescues = rescue
    request.options.fixesBootSector = !noBootSectorFix
    request.options.readsHeaderOnly = info
    if list { return try showFolder(request, output, tool: "restore") }
    if info { return try showInfo(request, output, tool: "restore") }
    var flash = FlashRequest(source: request, target: target)
    options.apply(to: &flash)
    flash.patches = try patches.request(partition: partition)
    if patches.readsStandardInput, image == "-" {
      throw RequestError("standard input cannot be both the image and a file")
    }
    flash.keepsTable = true
    flash.checksOnly = check
    flash.offset = offset
    flash.wipesSignatures = !keepSignatures
    flash.policy.unused =
      switch unused {
      case .keep: .keep
      case .zero: .zero
      case .discard: .discard
      }
    try JobRun(tool: "restore", options: options, asJSON: output.json, outputIsTarget: target == "-").run(flash)
  }
}
