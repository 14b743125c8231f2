import ArgumentParser
import CommandOptions
import Filesystems
import Patching

/// Makes links in an image.
struct Link: ChangeCommand {
  static let configuration = CommandConfiguration(
    commandName: "ln", abstract: "Make links in an image.",
    usage: """
      qflash ln [options] <target[:n]> <existing> <path>
      qflash ln -s [options] <target[:n]> <to> <path>
      """)

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("The file that gets another name; with -s any text.", valueName: "existing"))
  var existing: String
  @Argument(help: ArgumentHelp("The link.", valueName: "path"))
  var path: String
  @Flag(name: .customShort("s"), help: "Make a symbolic link.")
  var symbolic = false
  @Flag(name: .customShort("f"), help: "With -s, replace a file that is in the way.")
  var force = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func validate() throws { if force, !symbolic { throw ValidationError("-f goes with -s") } }

  func steps() throws -> [PatchStep] {
    let old = symbolic ? nil : try ChangePath.path(existing)
    var step = PatchStep(
      old.map { .link(to: $0) } ?? .symbolicLink(FileName(existing)), try ChangePath.path(path),
      text: "ln \(existing) \(path)")
    step.refusesExisting = !force
    let name = VolumePath(existing).names.last
    step.nameInDirectory = name.flatMap { $0.isOrdinary ? $0 : nil }
    return [step]
  }
}
