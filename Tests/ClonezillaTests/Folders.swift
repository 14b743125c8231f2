import BlockIO
import Clonezilla
import Images
import Support
import SystemPackage

/// A folder of TestImages, copied so that it can be changed.
struct TestFolder {
  let scratch: Scratch
  let name: String

  /// Copies the folder called `name`, and runs a script in the copy.
  init(_ name: String, _ script: String = "") throws {
    self.name = name
    scratch = try Scratch()
    let images = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/TestImages/clonezilla"
    try scratch.shell("cp -r '\(images)/\(name)' folder; cp '\(images)/\(name).json' facts; cd folder; \(script)")
  }

  /// The folder as it is read, its checksums not compared unless asked for.
  func open(comparing: Bool = false) throws -> ClonezillaFolder {
    var options = ImageOptions()
    options.ignoresChecksums = !comparing
    return try ClonezillaFolder(FilePath(scratch.file("folder")), options: options)
  }

  /// The one disk's table.
  func image(comparing: Bool = false) throws -> SavedDiskImage? {
    let folder = try open(comparing: comparing)
    return try folder.disks[0].image(in: folder.files)
  }

  /// What python3 says of the case's facts, `facts`.
  func said(_ expression: String) throws -> [UInt64] {
    let ran = try scratch.shell(
      "python3 -c 'import json; facts = json.load(open(\"facts\")); print(*(\(expression)))'")
    return ran.output.split(whereSeparator: \.isWhitespace).compactMap { UInt64($0) }
  }
}
