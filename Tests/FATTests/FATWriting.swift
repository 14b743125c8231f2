import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// A volume of mkfs.fat's in a file, to be changed.
final class FATWriting {
  let scratch: Scratch
  let path: String

  /// Makes the volume; `script` fills it.
  init(_ options: String, size: String, script: String = "") throws {
    scratch = try Scratch()
    path = scratch.path + "/disk"
    try scratch.shell(
      FATCase.environment + "truncate -s \(size) disk; mkfs.fat \(options) disk >/dev/null 2>&1\n" + script)
  }

  /// A directory `kept` with files that no test touches.
  static let kept = """
    mkdir kept; for i in 1 2 3; do head -c ${i}0001 /dev/urandom >kept/file$i; done
    head -c 700 /dev/urandom >'kept/a file with a longer name'
    mcopy -i disk -s kept ::

    """

  func open(isRehearsal: Bool = false) throws -> WritableFATVolume {
    try WritableFATVolume(FileStore(path), isRehearsal: isRehearsal)
  }

  /// Changes the volume and marks it as clean.
  func change(_ body: (WritableFATVolume) throws -> Void) throws {
    let volume = try open()
    try body(volume)
    try volume.finish()
  }

  /// Expects fsck.fat to find nothing.
  func check(_ comment: String = "") throws {
    let found = try scratch.shell("fsck.fat -n disk", expecting: nil)
    let isSilent = found.status == 0 && found.text.split(separator: "\n").count == 2
    #expect(isSilent, "\(comment) \(found.text)")
  }

  /// The folder to which mtools copy all files.
  func copyOut() throws -> String {
    try scratch.shell(
      FATCase.environment + "rm -rf out; mkdir out; mcopy -i disk -s -m -n -Q '::*' out 2>/dev/null || true")
    return scratch.path + "/out"
  }

  /// Expects `kept` to be as it was.
  func checkKept() throws {
    let found = try scratch.shell("diff -r kept out/kept", expecting: nil)
    #expect(found.status == 0, "\(found.text)")
  }

  /// A checksum over the whole volume.
  func digest() throws -> String { try scratch.shell("sha256sum <disk").output }
}

/// Attributes of a new file or directory.
func newAttributes(_ kind: FileKind = .regular, modified: Int64 = 1_700_000_000) -> FileAttributes {
  FileAttributes(
    kind: kind, permissions: kind == .directory ? 0o755 : 0o644, byteCount: 0, allocatedByteCount: 0,
    modified: Timestamp(seconds: modified))
}

extension WritableFilesystem {
  /// Makes a file with contents.
  @discardableResult
  func make(_ name: FileName, in directory: FileID? = nil, _ bytes: [UInt8]) throws -> FileID {
    try transaction {
      let file = try create(name, in: directory ?? root, attributes: newAttributes())
      try replaceContents(of: file, with: BytesContents(bytes))
      return file
    }
  }

  /// Makes a directory.
  @discardableResult
  func makeDirectory(_ name: FileName, in directory: FileID? = nil) throws -> FileID {
    try transaction { try create(name, in: directory ?? root, attributes: newAttributes(.directory)) }
  }
}
