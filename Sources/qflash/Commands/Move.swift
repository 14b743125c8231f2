import ArgumentParser
import CommandOptions
import Filesystems
import Flashing
import Patching

/// Moves and renames files in an image.
struct Move: ChangeCommand {
  static let configuration = CommandConfiguration(
    commandName: "mv", abstract: "Move and rename files in an image.",
    discussion: "What goes into a directory keeps its name; a file that is in the way is replaced.")

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("Files in the image, and where they go.", valueName: "path"))
  var paths: [String]
  @Flag(name: .customShort("n"), help: "Refuse to replace a file that is in the way.")
  var noReplace = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func validate() throws { if paths.count < 2 { throw ValidationError("name what to move, and where to") } }

  func steps() throws -> [PatchStep] {
    let last = paths[paths.count - 1]
    return try paths.dropLast().map { path in
      let old = try ChangePath.path(path)
      guard let name = old.path.names.last, name.isOrdinary else { throw RequestError("\(path) has no name to move") }
      var step = PatchStep(.rename(to: try ChangePath.path(last)), old, text: "mv \(path) \(last)")
      step.nameInDirectory = name
      step.refusesExisting = noReplace
      step.requiresDirectory = paths.count > 2
      return step
    }
  }
}
