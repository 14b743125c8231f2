import ArgumentParser
import CommandOptions
import Filesystems
import Flashing
import Patching
import SystemPackage
import BlockIO

/// Copies files of the host into an image.
struct Put: ChangeCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy files and folders of the host into an image.",
    usage: """
      qflash put [options] <target[:n]> <file> … <path>
      qflash put [options] <target[:n]> - <path>       standard input to one file
      """,
    discussion: """
      What goes into a directory keeps its name. A file that is there keeps its mode, owner, attributes and links; a new \
      one gets the host file's permissions and belongs to root. Folders are copied with all that is in them.
      """)

  @Argument(help: .target) var target: String
  @Argument(help: ArgumentHelp("Files and folders of the host, and where they go.", valueName: "file"))
  var words: [String]
  @Flag(name: .either("preserve-owner"), help: "Folders keep the host's owners and set-ID bits.")
  var preserveOwner = false
  @Flag(name: .either("parents"), help: "Make directories on the way that are not there.")
  var parents = false
  @OptionGroup(title: "The run") var options: ChangeOptions

  func validate() throws {
    if words.count < 2 { throw ValidationError("name what to copy, and where to") }
    if words.dropLast().filter({ $0 == "-" }).count > 1 { throw ValidationError("standard input can be only one file") }
  }

  func steps() throws -> [PatchStep] {
    let destination = try ChangePath.path(words[words.count - 1])
    let sources = words.dropLast()
    return try sources.map { source in
      let isFolder = source != "-" && (try? FileStatus.of(FilePath(source)))?.kind == .directory
      var step = PatchStep(
        isFolder
          ? .tree(folder: source, keepsOwners: preserveOwner) : .put(source == "-" ? .standardInput : .file(source)),
        destination, text: "put \(source) \(words[words.count - 1])")
      step.makesParents = parents
      // Several files have room in a directory only.
      step.requiresDirectory = sources.count > 1
      if source != "-" { step.nameInDirectory = try Self.name(of: source) }
      return step
    }
  }

  /// The name that a file of the host keeps.
  private static func name(of source: String) throws -> FileName {
    let path = FilePath(source)
    guard let last = (path.lastComponent?.kind == .regular ? path : path.resolved ?? path).lastComponent else {
      throw RequestError("\(source) has no name that it could keep")
    }
    return FileName(last.string)
  }
}
