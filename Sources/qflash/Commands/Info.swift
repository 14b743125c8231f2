import ArgumentParser
import Bytes
import Flashing
import Terminal

/// Shows what an image is and holds.
struct Info: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Show what an image is and holds.")

  @Argument(help: ArgumentHelp("The image.", valueName: "image"))
  var image: String
  @OptionGroup(title: "The image") var source: SourceOptions
  @OptionGroup(title: "Output") var output: OutputOptions

  func run() throws { try Self.show(source.request(for: image), output) }

  /// Prints what the image of `request` is.
  static func show(_ request: SourceRequest, _ output: OutputOptions) throws {
    let watch = InterruptWatch { "nothing was changed" }
    defer { watch.stop() }
    let info = try ImageInfo(request, withInternals: output.debug)
    for note in info.notes { printError("qflash: \(note)") }
    if output.json { print(info.record.json) } else { for line in FactTable(info.record).lines { print(line) } }
  }
}
