import BlockIO
import Bytes
import Filesystems
import SystemPackage
import TOMLKit

/// A file that lists patches: a TOML array of tables called `patch`, done in order.
package struct PatchFile {
  package let steps: [PatchStep]
  private static let maximumByteCount: UInt64 = 16 << 20

  /// Reads the file called `name`; host files in it are named from its own folder.
  ///
  /// Throws `HostUnreadable` and `PatchSyntaxError`, with the line where it is known.
  package init(_ name: String, makesParents: Bool = false) throws {
    let path = FilePath(name)
    let text: String
    do {
      let file = try FileSource(path)
      guard file.byteCount <= Self.maximumByteCount else {
        throw PatchSyntaxError("\(name): has \(describeSize(file.byteCount)), which is no list of patches")
      }
      var bytes = Buffer(count: Int(file.byteCount))
      _ = try bytes.fill { (span: inout MutableRawSpan) in
        try file.read(at: 0, into: &span)
        return span.byteCount
      }
      guard let decoded = String(validating: bytes.prefix(bytes.count).array, as: UTF8.self) else {
        throw PatchSyntaxError("\(name): is not UTF-8")
      }
      text = decoded
    } catch let error as IOError { throw HostUnreadable(error) }
    try self.init(text, name: name, folder: path.removingLastComponent(), makesParents: makesParents)
  }

  /// Reads `text`.
  init(_ text: String, name: String, folder: FilePath, makesParents: Bool = false) throws {
    let document: TOMLTable
    do { document = try TOMLTable(string: text) } catch let error as TOMLParseError {
      throw PatchSyntaxError("\(name): line \(error.source.begin.line): \(error.description)")
    }
    let lines = PatchLines(text)
    if let key = document.keys.first(where: { $0 != "patch" }) {
      throw PatchSyntaxError(
        "\(name): \(lines.place(of: key, inTable: nil))there is no '\(key)'; patches are [[patch]]")
    }
    guard let list = document["patch"]?.array else {
      throw PatchSyntaxError("\(name): there is no [[patch]] in it")
    }
    var steps: [PatchStep] = []
    for index in 0..<list.count {
      guard let table = list[index].table else {
        throw PatchSyntaxError("\(name): 'patch' is a list of tables, each written as [[patch]]")
      }
      let entry = PatchEntry(
        table, place: { "\(name): " + lines.place(of: $0, inTable: index) }, folder: folder, makesParents: makesParents)
      steps += try entry.steps()
    }
    self.steps = steps
  }
}

/// Where tables and keys stand in a TOML file, as far as it is written line by line.
private struct PatchLines {
  /// For each `[[patch]]`, its line and the keys behind it with theirs; the first is what stands before all of them.
  private var tables: [(line: Int, keys: [String: Int])] = [(0, [:])]

  init(_ text: String) {
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
      let words = line.drop { $0 == " " || $0 == "\t" }
      if words.first == "[" {
        if words.filter({ $0 != " " && $0 != "\t" }).hasPrefix("[[patch]]") {
          tables.append((index + 1, [:]))
        } else {
          let name = words.drop { $0 == "[" }.prefix { $0 != "]" }
          tables[0].keys[String(name), default: index + 1] = index + 1
        }
      } else if let equals = words.firstIndex(of: "=") {
        let key = words[..<equals].filter { !" \t\"'".contains($0) }
        let last = tables.count - 1
        if tables[last].keys[String(key)] == nil { tables[last].keys[String(key)] = index + 1 }
      }
    }
  }

  /// `line 7: `, or nothing where that is not known; a key that is not there stands where its table does.
  func place(of key: String?, inTable index: Int?) -> String {
    let table = (index ?? -1) + 1
    guard table < tables.count else { return "" }
    let line = key.flatMap { tables[table].keys[$0] } ?? tables[table].line
    return line > 0 ? "line \(line): " : ""
  }
}

/// One table of a list of patches.
private struct PatchEntry {
  /// Keys that say what is done, of which there is one, or none beside `mode` and `owner`.
  private static let actions = [
    "file", "text", "append", "append-file", "mkdir", "remove", "symlink", "link", "rename", "tree", "touch",
    "truncate",
  ]
  private static let known = actions + ["path", "partition", "mode", "owner", "parents", "preserve-owner"]

  private let table: TOMLTable
  private let place: (String?) -> String
  private let folder: FilePath
  private let makesParents: Bool

  init(_ table: TOMLTable, place: @escaping (String?) -> String, folder: FilePath, makesParents: Bool) {
    self.table = table
    self.place = place
    self.folder = folder
    self.makesParents = makesParents
  }

  func steps() throws(PatchSyntaxError) -> [PatchStep] {
    let keys = table.keys
    if let key = keys.first(where: { !Self.known.contains($0) }) {
      throw PatchSyntaxError("\(place(key))there is no key '\(key)'; there are \(Self.known.joined(separator: ", "))")
    }
    let path = try path("path", text("path"))
    let found = Self.actions.filter { keys.contains($0) }
    guard found.count < 2 else {
      throw PatchSyntaxError(
        "\(place(found[1]))'\(found[0])' and '\(found[1])' do not go together: write two [[patch]]")
    }
    if keys.contains("preserve-owner"), found.first != "tree" {
      throw PatchSyntaxError("\(place("preserve-owner"))'preserve-owner' goes with 'tree'")
    }
    var steps: [PatchStep] = []
    let name = { (key: String) in "\(path.text) (\(key), \(place(nil).dropLast(2)))" }
    if let key = found.first, let action = try action(key) {
      var step = PatchStep(action, path, text: name(key))
      step.makesParents = try flag("parents") ?? makesParents
      steps.append(step)
    }
    if keys.contains("owner") {
      let (owner, group) = try located("owner") { () throws(PatchSyntaxError) in try PatchStep.owner(text("owner")) }
      steps.append(PatchStep(.setOwner(owner, group), path, text: name("owner")))
    }
    if keys.contains("mode") {
      let mode = try located("mode") { () throws(PatchSyntaxError) in try PatchStep.mode(text("mode")) }
      steps.append(PatchStep(.setMode(mode), path, text: name("mode")))
    }
    guard !steps.isEmpty else {
      throw PatchSyntaxError("\(place(nil))says nothing to do with \(path.text)")
    }
    return steps
  }

  /// What `key` asks for; nil for `mkdir = false` and the like.
  private func action(_ key: String) throws(PatchSyntaxError) -> PatchStep.Action? {
    switch key {
    case "file": return .put(try hostFile(key))
    case "text": return .put(.bytes(Array(try text(key).utf8)))
    case "append": return .append(.bytes(Array(try text(key).utf8)))
    case "append-file": return .append(try hostFile(key))
    case "mkdir": return try flag(key) == true ? .makeDirectory : nil
    case "remove": return try flag(key) == true ? .remove : nil
    case "touch": return try flag(key) == true ? .touch : nil
    case "symlink": return .symbolicLink(FileName(try text(key)))
    case "link": return .link(to: try path(key, text(key)))
    case "rename": return .rename(to: try path(key, text(key)))
    case "tree": return .tree(folder: hostName(try text(key)), keepsOwners: try flag("preserve-owner") ?? false)
    case "truncate": return .truncate(try size(key))
    default: return nil
    }
  }

  private func path(_ key: String, _ text: String) throws(PatchSyntaxError) -> PatchPath {
    let path = try located(key) { () throws(PatchSyntaxError) in
      try PatchPath(bytes: Array(text.utf8), text: text)
    }
    guard table.contains(key: "partition") else { return path }
    guard let number = table["partition"]?.int, number > 0, path.partition.map({ $0 == number }) ?? true else {
      throw PatchSyntaxError(
        "\(place("partition"))'partition' is a number from 1 on, and the path's own if that has one")
    }
    return PatchPath(partition: number, path: path.path, text: path.text)
  }

  private func text(_ key: String) throws(PatchSyntaxError) -> String {
    guard table.contains(key: key) else { throw PatchSyntaxError("\(place(nil))there is no '\(key)'") }
    guard let text = table[key]?.string else { throw PatchSyntaxError("\(place(key))'\(key)' is a text in quotes") }
    return text
  }

  private func flag(_ key: String) throws(PatchSyntaxError) -> Bool? {
    guard table.contains(key: key) else { return nil }
    guard let flag = table[key]?.bool else { throw PatchSyntaxError("\(place(key))'\(key)' is true or false") }
    return flag
  }

  private func size(_ key: String) throws(PatchSyntaxError) -> UInt64 {
    if let number = table[key]?.int, number >= 0 { return UInt64(number) }
    return try located(key) { () throws(PatchSyntaxError) in try PatchStep.size(text(key)) }
  }

  private func hostFile(_ key: String) throws(PatchSyntaxError) -> PatchSource {
    let name = try text(key)
    return name == "-" ? .standardInput : .file(hostName(name))
  }

  /// A name as seen from the list's own folder.
  private func hostName(_ name: String) -> String { folder.pushing(FilePath(name)).string }

  /// Adds the line to an error.
  private func located<Result>(
    _ key: String, _ body: () throws(PatchSyntaxError) -> Result
  ) throws(PatchSyntaxError) -> Result {
    do { return try body() } catch {
      let line = place(key)
      throw error.description.hasPrefix(line) ? error : PatchSyntaxError(line + error.description)
    }
  }
}
