import ArgumentParser
import CommandOptions
import Terminal
import Threads

/// Puts any disk image on any disk and proves it.
@main
struct QFlash: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "qflash",
    abstract: "Puts any disk image on any disk and proves it.",
    version: "0.1.0",
    subcommands: [
      Flash.self, Info.self, List.self, Cat.self, Get.self, Stat.self, Check.self, PatchCommand.self, Put.self,
      Remove.self, MakeDirectory.self, Move.self, Link.self, ChangeMode.self, ChangeOwner.self, Touch.self,
      Truncate.self,
    ],
    defaultSubcommand: Flash.self)

  /// The words that may come first.
  static let subcommands = [
    "flash", "info", "ls", "cat", "get", "stat", "check", "patch", "put", "rm", "mkdir", "mv", "ln", "chmod", "chown",
    "touch", "truncate", "help",
  ]

  static func main() {
    Allocator.keepNoPassedBlocks()
    let given = Array(CommandLine.arguments.dropFirst())
    do {
      let arguments = try CommandLineArguments(
        given, subcommands: subcommands, default: "flash", repeatable: PatchOptions.repeatable)
      if arguments.asksForRootHelp {
        print(rootHelp)
        return
      }
      var command = try parseAsRoot(arguments.prepared)
      try command.run()
    } catch { leave(error, tool: "qflash", command: Self.self) }
  }

  /// The default subcommand's options belong to the program's own help.
  private static var rootHelp: String {
    let flash = Flash.helpMessage(columns: nil).split(separator: "\n", omittingEmptySubsequences: false)
    let options = flash.drop { !$0.hasPrefix("OPTIONS") && !$0.hasPrefix("THE IMAGE") }
    return """
      OVERVIEW: Puts any disk image on any disk and proves it.

      USAGE: qflash -src IMAGE                 what is in an image
             qflash -src IMAGE -dst TARGET     write it to a block device, a file or - (standard output)
             qflash info IMAGE                 the same as -src alone
             qflash ls|cat|get|stat IMAGE[:N]  look inside its filesystems
             qflash check IMAGE                check its table and filesystems
             qflash patch TARGET[:N] --patch …  change files inside it
             qflash put|rm|mkdir|mv|ln|chmod|chown|touch|truncate TARGET[:N] …  the same, one by one

      A name starts with one dash or two, as you like: -src and --src are the same.

      \(options.joined(separator: "\n"))

      SUBCOMMANDS:
        flash (default)         Write an image to a disk, a file or a pipe.
        info                    Show what an image is and holds.
        ls                      List the files in an image.
        cat                     Write the contents of files in an image to standard output.
        get                     Copy files and trees out of an image.
        stat                    Show all that a volume tells of a file, or of itself.
        check                   Check an image's partition table and filesystems, quickly.
        patch                   Change files inside a device or a raw image, without mounting it.
        put                     Copy files and folders of the host into an image.
        rm                      Remove files in an image.
        mkdir                   Make directories in an image.
        mv                      Move and rename files in an image.
        ln                      Make links in an image.
        chmod                   Set permissions of files in an image.
        chown                   Set owners of files in an image.
        touch                   Make empty files in an image, or set times to now.
        truncate                Set the sizes of files in an image.

        See 'qflash help <subcommand>' for detailed help, and qflash(1).
      """
  }
}
