import ArgumentParser
import CommandOptions

/// Shows what an image is and holds.
struct Info: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show what an image is and holds.")

  @Argument(help: ArgumentHelp("The image.", valueName: "image"))
  var image: String
  @OptionGroup(title: "The image") var source: SourceOptions
  @OptionGroup(title: "Output") var output: OutputOptions

  func run() throws { try showInfo(source.request(for: image), output, tool: "qflash") }
}
