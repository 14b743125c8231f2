import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// A volume of mkfs.fat's in a file, to be changed.
final class FATWriting: ChangedVolume {
  let scratch: Scratch

  /// Makes the volume; `script` fills it.
  init(_ options: String, size: String, script: String = "") throws {
    scratch = try Scratch()
    try scratch.shell(
      FATCase.environment + "truncate -s \(size) disk; mkfs.fat \(options) disk >/dev/null 2>&1\n" + script)
  }

  /// A directory `kept` with files that no test touches.
  static let kept = """
    mkdir kept; for i in 1 2 3; do head -c ${i}0001 /dev/urandom >kept/file$i; done
    head -c 700 /dev/urandom >'kept/a file with a longer name'
    mcopy -i disk -s kept ::

    """

  static let checker = "fsck.fat -n"
  static let repairer = "fsck.fat -a"

  static func open(_ store: any BlockStore, isRehearsal: Bool) throws -> WritableFATVolume {
    try WritableFATVolume(store, isRehearsal: isRehearsal)
  }

  static func read(_ path: String) throws -> any Filesystem { try FATVolume(FileStore(path)) }

  /// Expects fsck.fat to find nothing.
  func check(_ comment: String) throws {
    let found = try scratch.shell("fsck.fat -n disk", expecting: nil)
    let isSilent = found.status == 0 && found.text.split(separator: "\n").count == 2
    #expect(isSilent, "\(comment) \(found.text)")
  }

  func check() throws { try check("") }

  /// mtools copy all files to `out`.
  @discardableResult
  func copyOut() throws -> Bool {
    try scratch.shell(
      FATCase.environment + "rm -rf out; mkdir out; mcopy -i disk -s -m -n -Q '::*' out 2>/dev/null || true")
    return true
  }

  /// Expects `kept` to be as it was.
  func checkKept() throws { #expect(try keptDifference() == "") }
}
