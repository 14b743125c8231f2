import ArgumentParser
import CommandOptions
import Patching

/// Removes files in an image.
struct Remove: ChangeCommand {
  static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove files in an image.")

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("Files in the image; a symbolic link is removed itself.", valueName: "path"))
  var paths: [String]
  @Flag(name: [.customShort("r"), .customShort("R")], help: "Remove directories and all that is in them.")
  var recursive = false
  @Flag(name: .customShort("f"), help: "A file that is not there is no error.")
  var force = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func steps() throws -> [PatchStep] {
    try paths.map { path in
      var step = PatchStep(.remove, try ChangePath.path(path), text: "rm \(path)")
      step.isRecursive = recursive
      step.allowsMissing = force
      return step
    }
  }
}
