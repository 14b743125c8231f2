import ArgumentParser
import CommandOptions
import Patching

/// Sets the sizes of files in an image.
struct Truncate: ChangeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Set the sizes of files in an image.",
    discussion: "A file that grows gets a hole where the volume has holes, else zeroes; one that is not there is made.")

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("Files in the image.", valueName: "path"))
  var paths: [String]
  @Option(
    name: [.customShort("s"), .customLong("size"), .customLong("size", withSingleDash: true)],
    help: ArgumentHelp("Bytes, with K, M, G or T for powers of 1024.", valueName: "size"))
  var size: String
  @Flag(name: .customShort("c"), help: "Make no file.")
  var noCreate = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func steps() throws -> [PatchStep] {
    let byteCount = try PatchStep.size(size)
    return try paths.map { path in
      var step = PatchStep(.truncate(byteCount), try ChangePath.path(path), text: "truncate -s \(size) \(path)")
      step.allowsMissing = noCreate
      return step
    }
  }
}
