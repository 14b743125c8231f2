import ArgumentParser
import CommandOptions
import Patching

/// Makes empty files in an image, or sets times to now.
struct Touch: ChangeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make empty files in an image, or set times to now.")

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("Files in the image.", valueName: "path"))
  var paths: [String]
  @Flag(name: .customShort("c"), help: "Make no file.")
  var noCreate = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func steps() throws -> [PatchStep] {
    try paths.map { path in
      var step = PatchStep(.touch, try ChangePath.path(path), text: "touch \(path)")
      step.allowsMissing = noCreate
      return step
    }
  }
}
