import ArgumentParser
import Browsing
import CommandOptions
import Filesystems

/// Lists the files in an image.
struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls",
    abstract: "List the files in an image.",
    discussion: """
      Directories of up to 10 000 entries are sorted by name, larger ones are listed in the volume's own order. Times are \
      local; owners and groups are numbers, since their names are the image's own.
      """)

  @Flag(name: .customShort("l"), help: "Mode, links, owner, group, size, time and link target too.")
  var long = false
  @Flag(name: .customShort("R"), help: "List what is below directories too.")
  var recursive = false
  @Flag(name: .customShort("a"), help: "Show names that start with a dot.")
  var all = false
  @Flag(name: .either("json"), help: "Print a JSON object for each file, one a line.")
  var json = false
  @Argument(help: ArgumentHelp("The image, perhaps with a partition's number.", valueName: "img[:n]"))
  var image: String
  @Argument(help: ArgumentHelp("Paths in the image; / by default.", valueName: "path"))
  var paths: [String] = []
  @OptionGroup var browsing: BrowseOptions
  @OptionGroup(title: "The image") var source: SourceOptions

  func run() throws {
    try browse(tool: "qflash", state: { "nothing was changed" }) {
      let (filesystem, _) = try BrowsedImage(image, source, browsing, tool: "qflash").volume(tool: "qflash")
      let output = try OutputPipe.standardOutput()
      let listing = TreeListing(
        of: filesystem, to: output, style: json ? .json : long ? .long : .names, showsHidden: all,
        isRecursive: recursive, isStopped: isInterrupted)
      var report = ExtractionReport()
      var files: [(name: FileName, file: FileID)] = []
      var folders: [(path: FileName, file: FileID)] = []
      for text in paths.isEmpty ? ["/"] : paths {
        do {
          // A link to a directory shows the directory, but with -l the link, as ls(1) has it.
          let place = try PathArgument(text).find(in: filesystem, followsLast: !long)
          if try filesystem.attributes(of: place.file).kind == .directory {
            folders.append((json ? place.name : FileName(text), place.file))
          } else {
            files.append((json ? place.name : FileName(text), place.file))
          }
        } catch let error as FileError { report.fail(text, error) }
      }
      try listing.list(files: files)
      for folder in folders { try listing.list(folder.file, path: folder.path, showsHeading: paths.count > 1) }
      try output.flush()
      report.add(failuresOf: listing.report)
      try finish(report, tool: "qflash")
    }
  }
}
