import BlockIO
import Filesystems
import Glibc
import Support
import Testing

@testable import ExFAT

/// The power goes after each single write; fsck.exfat repairs what is left, and that is a prefix of the changes.
@Suite struct ExFATCutTests {
  private static func bytes(_ count: Int, _ seed: Int) -> BytesContents {
    BytesContents((0..<count).map { UInt8(truncatingIfNeeded: ($0 / 7 + 1) * (seed + 3) % 251 + 1) })
  }

  /// Makes changes, each a transaction, and calls `note` after each.
  private func change(_ volume: WritableExFATVolume, _ note: ((from: String, to: String)?) throws -> Void) throws {
    func find(_ path: String) throws -> FileID { try volume.find(path: path) }
    func apply(_ moved: (from: String, to: String)? = nil, _ body: () throws -> Void) throws {
      try volume.transaction(body)
      try note(moved)
    }
    func make(_ name: FileName, in directory: FileID, _ count: Int) throws {
      try apply {
        let file = try volume.create(name, in: directory, attributes: newAttributes())
        try volume.replaceContents(of: file, with: Self.bytes(count, count))
      }
    }
    try make("made with a long name.text", in: volume.root, 5000)
    try apply { try volume.replaceContents(of: find("/first"), with: Self.bytes(9000, 2)) }
    try apply { _ = try volume.create("directory", in: volume.root, attributes: newAttributes(.directory)) }
    let directory = try find("/directory")
    try volume.group {
      for number in 0..<14 { try make(FileName("file with the long number \(number)"), in: directory, 100 * number) }
    }
    for name in ["renamed.text", "renamed to a name that is longer than the one before", "RENAMED"] {
      let old = try #require(try volume.entries(of: volume.root, from: 0, limit: 100).last { $0.kind == .regular })
      try apply((old.name.description, name)) {
        _ = try volume.rename(old.name, in: volume.root, to: FileName(name), in: volume.root)
      }
    }
    try apply { try volume.append(Self.bytes(3000, 3), to: find("/RENAMED")) }
    try apply { try volume.truncate(find("/RENAMED"), to: 2100) }
    try apply { try volume.remove("file with the long number 4", from: directory) }
    try make("again", in: directory, 10)
    try apply(("RENAMED", "directory/moved here")) {
      _ = try volume.rename("RENAMED", in: volume.root, to: "moved here", in: directory)
    }
    try apply(("directory/moved here", "first")) {
      _ = try volume.rename("moved here", in: directory, to: "first", in: volume.root)
    }
  }

  @Test(
    "A cut after each write leaves a prefix",
    arguments: [ExFATCase(options: "-c 512", size: "3M"), ExFATCase(options: "-c 4K", size: "8M")])
  func cuts(_ test: ExFATCase) throws {
    let writing = try ExFATWriting(test, hasKept: false)
    try writing.change { volume in
      try volume.make("first", Array(repeating: 7, count: 3000))
      try volume.make("second", Array(repeating: 8, count: 3000))
    }
    try writing.scratch.shell("cp --sparse=always disk base")
    let store = RecordingStore(try FileStore(writing.path))
    let volume = try WritableExFATVolume(store, isRehearsal: false)
    var cuts = PowerCuts(ExFATWriting.read)
    try cuts.note(volume)
    try change(volume) { try cuts.note(volume, moved: $0, isWritten: volume.state.changes.isEmpty) }
    try volume.finish()
    try writing.check("all")
    #expect(try cuts.run(store.events, on: writing, base: "base") == nil)
  }
}
