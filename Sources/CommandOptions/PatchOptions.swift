import ArgumentParser
import Filesystems
package import Patching
import Synchronization

/// A value of one of the options that name patches, and its place among all of them on the command line.
package struct PatchWord: ExpressibleByArgument, Sendable {
  /// Grows from one value to the next in the order in which they stand: a parser takes words front to back.
  let order: Int
  let text: String
  private static let count = Atomic(0)

  package init(argument: String) {
    order = Self.count.wrappingAdd(1, ordering: .relaxed).newValue
    text = argument
  }
}

/// Changes to make inside a disk; shared by the commands that write one.
package struct PatchOptions: ParsableArguments {
  @Option(
    name: .either("patch"),
    help: ArgumentHelp(
      "Give a file in the target this file's contents (- is standard input; without =FILE the host's own file of that path).",
      valueName: "path[=file]"))
  var put: [PatchWord] = []
  @Option(
    name: .either("patch-text"),
    help: ArgumentHelp(#"Give it this text; there are \n \t \r \0 \\ and \xNN."#, valueName: "path=text"))
  var text: [PatchWord] = []
  @Option(
    name: .either("patch-append"),
    help: ArgumentHelp("Write this text, with the same escapes, behind its end.", valueName: "path=text"))
  var append: [PatchWord] = []
  @Option(name: .either("patch-mkdir"), help: ArgumentHelp("Make a directory.", valueName: "path"))
  var makeDirectory: [PatchWord] = []
  @Option(
    name: .either("patch-rm"), help: ArgumentHelp("Remove a file, or a directory and all in it.", valueName: "path"))
  var remove: [PatchWord] = []
  @Option(
    name: .either("patch-symlink"),
    help: ArgumentHelp("Make a symbolic link, in place of a file that is there.", valueName: "path=to"))
  var symlink: [PatchWord] = []
  @Option(
    name: .either("patch-mode"), help: ArgumentHelp("Set permissions, in octal digits.", valueName: "path=mode"))
  var mode: [PatchWord] = []
  @Option(
    name: .either("patch-owner"),
    help: ArgumentHelp("Set owner and group, in numbers.", valueName: "path=uid:gid"))
  var owner: [PatchWord] = []
  @Option(
    name: .either("patch-rename"), help: ArgumentHelp("Give a file another name or place.", valueName: "old=new"))
  var rename: [PatchWord] = []
  @Option(
    name: .either("patch-tree"),
    help: ArgumentHelp("Copy what is in a folder of the host into a directory.", valueName: "dir=folder"))
  var tree: [PatchWord] = []
  @Option(
    name: .either("patch-file"),
    help: ArgumentHelp("Do all that a TOML file lists.", valueName: "file"))
  var list: [PatchWord] = []
  @Flag(name: .either("patch-preserve-owner"), help: "Trees keep the host's owners and set-ID bits.")
  var preserveOwner = false
  @Flag(name: .either("parents"), help: "Make directories on the way to a path that are not there.")
  var parents = false

  package init() {}

  /// Names of the options that may be given more than once.
  package static let repeatable: Set<String> = [
    "patch", "patch-text", "patch-append", "patch-mkdir", "patch-rm", "patch-symlink", "patch-mode", "patch-owner",
    "patch-rename", "patch-tree", "patch-file",
  ]

  package func validate() throws {
    do { _ = try steps(readsLists: false) } catch let error as PatchSyntaxError {
      throw ValidationError(error.description)
    }
    guard !preserveOwner || !tree.isEmpty else { throw ValidationError("-patch-preserve-owner goes with -patch-tree") }
    let inputs = put.filter { Escapes.split($0.text).value == "-" }
    if inputs.count > 1 { throw ValidationError("standard input can be only one file: \(inputs[1].text)") }
  }

  /// Whether standard input is one of the files.
  package var readsStandardInput: Bool { put.contains { Escapes.split($0.text).value == "-" } }

  /// Whether there is anything to change.
  package var isEmpty: Bool {
    [put, text, append, makeDirectory, remove, symlink, mode, owner, rename, tree, list].allSatisfy(\.isEmpty)
  }

  /// All changes in the order in which they were named.
  package func request(partition: Int?) throws -> PatchRequest {
    var request = PatchRequest()
    request.steps = try steps(readsLists: true)
    request.partition = partition
    return request
  }

  private func steps(readsLists: Bool) throws -> [PatchStep] {
    var found: [(order: Int, steps: [PatchStep])] = []
    func add(_ words: [PatchWord], _ option: String, _ make: (PatchWord) throws -> PatchStep) rethrows {
      for word in words {
        var step = try make(word)
        step.text = "--\(option) \(word.text)"
        step.makesParents = parents
        found.append((word.order, [step]))
      }
    }
    try add(put, "patch") { try Self.put($0.text) }
    try add(text, "patch-text") { word in
      try Self.pair(word, "patch-text") { .put(.bytes(try Escapes.text($0))) }
    }
    try add(append, "patch-append") { word in
      try Self.pair(word, "patch-append") { .append(.bytes(try Escapes.text($0))) }
    }
    try add(makeDirectory, "patch-mkdir") { PatchStep(.makeDirectory, try PatchPath($0.text), text: "") }
    try add(remove, "patch-rm") { PatchStep(.remove, try PatchPath($0.text), text: "") }
    try add(symlink, "patch-symlink") { word in try Self.pair(word, "patch-symlink") { .symbolicLink(.init($0)) } }
    try add(mode, "patch-mode") { word in try Self.pair(word, "patch-mode") { .setMode(try PatchStep.mode($0)) } }
    try add(owner, "patch-owner") { word in
      try Self.pair(word, "patch-owner") { text in
        let (owner, group) = try PatchStep.owner(text)
        return .setOwner(owner, group)
      }
    }
    try add(rename, "patch-rename") { word in
      try Self.pair(word, "patch-rename") { .rename(to: try PatchPath($0)) }
    }
    try add(tree, "patch-tree") { word in
      try Self.pair(word, "patch-tree") { .tree(folder: $0, keepsOwners: preserveOwner) }
    }
    if readsLists {
      for word in list { found.append((word.order, try PatchFile(word.text, makesParents: parents).steps)) }
    }
    return found.sorted { $0.order < $1.order }.flatMap(\.steps)
  }

  /// `PATH=FILE` or `PATH`.
  private static func put(_ text: String) throws -> PatchStep {
    let (path, file) = Escapes.split(text)
    let place = try PatchPath(path)
    guard let file else { return PatchStep(.put(.file(place.inVolume)), place, text: "") }
    guard !file.isEmpty else { throw PatchSyntaxError("'\(text)': there is no file behind the =") }
    return PatchStep(.put(file == "-" ? .standardInput : .file(file)), place, text: "")
  }

  /// `PATH=VALUE`.
  private static func pair(
    _ word: PatchWord, _ option: String, _ action: (String) throws -> PatchStep.Action
  ) throws -> PatchStep {
    let (path, value) = Escapes.split(word.text)
    guard let value else {
      throw PatchSyntaxError(
        #"--\#(option) takes PATH=VALUE, not '\#(word.text)'; an equals sign in a path is written \="#)
    }
    return PatchStep(try action(value), try PatchPath(path), text: "")
  }
}
