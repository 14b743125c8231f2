import ArgumentParser
import CommandOptions
import Patching

/// A command that changes files in a device or a raw image.
protocol ChangeCommand: ParsableCommand {
  /// The device or image, perhaps with a partition's number.
  var target: String { get }
  var options: ChangeOptions { get }

  /// What is to be done, in order.
  func steps() throws -> [PatchStep]
}

extension ChangeCommand {
  func run() throws { try options.run(steps(), in: target, tool: "qflash") }
}

extension ArgumentHelp {
  /// The help of a device or image that is changed.
  static var target: ArgumentHelp {
    ArgumentHelp("A block device or a raw image, perhaps with a partition's number.", valueName: "target[:n]")
  }
}

/// Paths of the everyday commands.
enum ChangePath {
  /// A path in the image, which starts at the root whether it says so or not.
  static func path(_ text: String) throws -> PatchPath {
    let isRooted = text.hasPrefix("/") || text.prefix { $0 != "/" }.last == ":"
    return try PatchPath(isRooted ? text : "/" + text)
  }
}
