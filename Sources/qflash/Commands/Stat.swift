import ArgumentParser
import Browsing
import Bytes
import CommandOptions
import Filesystems
import Terminal

/// Shows all that a volume tells of a file.
struct Stat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show all that a volume tells of a file, or of itself.",
    discussion: "A symbolic link is shown itself, not what it leads to. Without a path the volume is shown.")

  @Argument(help: ArgumentHelp("The image, perhaps with a partition's number.", valueName: "img[:n]"))
  var image: String
  @Argument(help: ArgumentHelp("A file in the image.", valueName: "path"))
  var path: String?
  @Flag(name: .either("json"), help: "Print the result as JSON.")
  var json = false
  @OptionGroup var browsing: BrowseOptions
  @OptionGroup(title: "The image") var source: SourceOptions

  func run() throws {
    try browse(tool: "qflash", state: { "nothing was changed" }) {
      let (filesystem, choice) = try BrowsedImage(image, source, browsing, tool: "qflash").volume(tool: "qflash")
      let record =
        try path.map { try FileFacts($0, in: filesystem).record }
        ?? FileFacts.record(of: filesystem, named: choice.name)
      let output = try OutputPipe.standardOutput()
      for line in json ? [record.json] : FactTable(record).lines { try output.write(line: line) }
      try output.flush()
    }
  }
}
