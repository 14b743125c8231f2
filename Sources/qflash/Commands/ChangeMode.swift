import ArgumentParser
import CommandOptions
import Patching

/// Sets permissions of files in an image.
struct ChangeMode: ChangeCommand {
  static let configuration = CommandConfiguration(
    commandName: "chmod", abstract: "Set permissions of files in an image.")

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("Permissions in octal digits.", valueName: "mode"))
  var mode: String
  @Argument(help: ArgumentHelp("Files in the image; symbolic links are followed.", valueName: "path"))
  var paths: [String]
  @Flag(name: .customShort("R"), help: "Go through directories too, where links are left alone.")
  var recursive = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func steps() throws -> [PatchStep] {
    let bits = try PatchStep.mode(mode)
    return try paths.map { path in
      var step = PatchStep(.setMode(bits), try ChangePath.path(path), text: "chmod \(mode) \(path)")
      step.changesAllBelow = recursive
      return step
    }
  }
}
