import BlockIO
import Filesystems
import Glibc
import Support
import Testing

@testable import FAT

/// The power goes after each single write; fsck.fat repairs what is left, and that is a prefix of the changes.
@Suite struct FATCutTests {
  /// A change, and what it makes of one name and the other where both may be there for a moment.
  private struct Step: Sendable {
    let name: String
    var moved: (from: String, to: String)?
    let change: @Sendable (WritableFATVolume) throws -> Void
  }

  private static func bytes(_ count: Int, _ seed: Int) -> BytesContents {
    BytesContents((0..<count).map { UInt8(truncatingIfNeeded: ($0 / 7 + 1) * (seed + 3) % 251 + 1) })
  }

  private static let steps: [Step] = [
    Step(name: "make a file") { volume in
      try volume.transaction {
        let file = try volume.create("made with a long name.text", in: volume.root, attributes: newAttributes())
        try volume.replaceContents(of: file, with: bytes(5000, 1))
      }
    },
    Step(name: "replace contents") { volume in
      let file = try volume.find(path: "/kept/file2")
      try volume.transaction { try volume.replaceContents(of: file, with: bytes(9000, 2)) }
    },
    Step(name: "make a directory") { volume in
      try volume.transaction {
        _ = try volume.create("a new directory", in: volume.root, attributes: newAttributes(.directory))
      }
    },
    Step(name: "rename") { volume in
      try volume.transaction {
        _ = try volume.rename("made with a long name.text", in: volume.root, to: "renamed.text", in: volume.root)
      }
    },
    Step(name: "append") { volume in
      let file = try volume.find(path: "/renamed.text")
      try volume.transaction { try volume.append(bytes(3000, 3), to: file) }
    },
    Step(name: "truncate") { volume in
      let file = try volume.find(path: "/renamed.text")
      try volume.transaction { try volume.truncate(file, to: 2100) }
    },
    Step(name: "move", moved: ("renamed.text", "a new directory/moved here")) { volume in
      let directory = try volume.find(path: "/a new directory")
      try volume.transaction {
        _ = try volume.rename("renamed.text", in: volume.root, to: "moved here", in: directory)
      }
    },
    Step(name: "move over another", moved: ("a new directory/moved here", "kept/file1")) { volume in
      let directory = try volume.find(path: "/a new directory")
      let kept = try volume.find(path: "/kept")
      try volume.transaction { _ = try volume.rename("moved here", in: directory, to: "file1", in: kept) }
    },
    Step(name: "remove") { volume in
      let kept = try volume.find(path: "/kept")
      try volume.transaction { try volume.remove("a file with a longer name", from: kept) }
    },
    Step(name: "attributes") { volume in
      let file = try volume.find(path: "/kept/file1")
      var attributes = try volume.attributes(of: file)
      attributes.permissions = 0o444
      try volume.transaction { try volume.setAttributes(attributes, of: file) }
    },
  ]

  @Test(
    "A cut after each write leaves a prefix",
    arguments: [("-F 12", "1440K"), ("-F 16 -s 1", "5M"), ("-F 32 -s 1", "34M"), ("-F 16 -s 4 -f 1", "9M")])
  func cuts(_ options: String, _ size: String) throws {
    let writing = try FATWriting(options, size: size, script: FATWriting.kept + "cp --sparse=always disk base\n")
    let store = RecordingStore(try FileStore(writing.path))
    let volume = try WritableFATVolume(store, isRehearsal: false)
    var cuts = PowerCuts(FATWriting.read)
    try cuts.note(volume)
    for step in Self.steps {
      try step.change(volume)
      try cuts.note(volume, moved: step.moved, isWritten: volume.state.changes.isEmpty)
      // Each transaction is a state of its own.
      if step.name == "make a directory" { try volume.group { try fill(volume, &cuts) } }
    }
    try volume.finish()
    try writing.check("all")
    let every = getenv("QFLASH_STRESS_CUTS") == nil && options != "-F 16 -s 1" ? 4 : 1
    #expect(try cuts.run(store.events, on: writing, base: "base", every: every) == nil)
  }

  private func fill(_ volume: WritableFATVolume, _ cuts: inout PowerCuts) throws {
    let directory = try volume.find(path: "/a new directory")
    for number in 0..<14 {
      try volume.transaction {
        let file = try volume.create(
          FileName("file with the long number \(number)"), in: directory, attributes: newAttributes())
        try volume.replaceContents(of: file, with: Self.bytes(100 * number, number))
      }
      try cuts.note(volume, isWritten: volume.state.changes.isEmpty)
    }
  }
}
