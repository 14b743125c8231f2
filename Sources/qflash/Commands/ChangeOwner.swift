import ArgumentParser
import CommandOptions
import Patching

/// Sets owners of files in an image.
struct ChangeOwner: ChangeCommand {
  static let configuration = CommandConfiguration(
    commandName: "chown", abstract: "Set owners of files in an image.",
    discussion: "Owners are numbers, since names are the image's own. Set-ID bits stay.")

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("uid:gid, uid or :gid.", valueName: "owner"))
  var owner: String
  @Argument(help: ArgumentHelp("Files in the image; symbolic links are followed.", valueName: "path"))
  var paths: [String]
  @Flag(name: .customShort("R"), help: "Go through directories too, where links get the owner themselves.")
  var recursive = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func steps() throws -> [PatchStep] {
    let (user, group) = try PatchStep.owner(owner)
    return try paths.map { path in
      var step = PatchStep(.setOwner(user, group), try ChangePath.path(path), text: "chown \(owner) \(path)")
      step.changesAllBelow = recursive
      return step
    }
  }
}
