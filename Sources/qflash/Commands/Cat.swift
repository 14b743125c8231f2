import ArgumentParser
import Browsing
import CommandOptions
import Filesystems

/// Writes files' contents to standard output.
struct Cat: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the contents of files in an image to standard output.")

  @Argument(help: ArgumentHelp("The image, perhaps with a partition's number.", valueName: "img[:n]"))
  var image: String
  @Argument(help: ArgumentHelp("Files in the image.", valueName: "path"))
  var paths: [String]
  @OptionGroup var browsing: BrowseOptions
  @OptionGroup(title: "The image") var source: SourceOptions

  func run() throws {
    try browse(tool: "qflash", state: { "nothing was changed" }) {
      let (filesystem, _) = try BrowsedImage(image, source, browsing, tool: "qflash").volume(tool: "qflash")
      let output = try OutputPipe.standardOutput()
      let reader = ContentsReader(isStopped: isInterrupted)
      var report = ExtractionReport()
      for path in paths {
        do {
          try reader.write(try PathArgument(path).find(in: filesystem), of: filesystem, to: output)
        } catch let error where !(error is Stopped || error is DestinationError) { report.fail(path, error) }
      }
      try output.flush()
      try finish(report, tool: "qflash")
    }
  }
}
