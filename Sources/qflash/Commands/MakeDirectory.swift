import ArgumentParser
import CommandOptions
import Patching

/// Makes directories in an image.
struct MakeDirectory: ChangeCommand {
  static let configuration = CommandConfiguration(commandName: "mkdir", abstract: "Make directories in an image.")

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("Directories to make.", valueName: "path"))
  var paths: [String]
  @Flag(
    name: [.customShort("p"), .customLong("parents"), .customLong("parents", withSingleDash: true)],
    help: "Make directories on the way too; one that is there is no error.")
  var parents = false
  @Option(
    name: [.customShort("m"), .customLong("mode"), .customLong("mode", withSingleDash: true)],
    help: ArgumentHelp("Permissions in octal digits; 0755 if not given.", valueName: "mode"))
  var mode: String?
  @OptionGroup(title: "The run") var options: ChangeOptions

  func steps() throws -> [PatchStep] {
    try paths.flatMap { path in
      var step = PatchStep(.makeDirectory, try ChangePath.path(path), text: "mkdir \(path)")
      step.makesParents = parents
      guard let mode else { return [step] }
      return [
        step,
        PatchStep(.setMode(try PatchStep.mode(mode)), try ChangePath.path(path), text: "mkdir -m \(mode) \(path)"),
      ]
    }
  }
}
