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

  private static func find(_ path: String, _ volume: WritableFATVolume) throws -> FileID {
    try PathWalk(volume).find(VolumePath(path)).file
  }

  private static let steps: [Step] = [
    Step(name: "make a file") { volume in
      try volume.transaction {
        let file = try volume.create("made with a long name.text", in: volume.root, attributes: newAttributes())
        try volume.replaceContents(of: file, with: bytes(5000, 1))
      }
    },
    Step(name: "replace contents") { volume in
      let file = try find("/kept/file2", volume)
      try volume.transaction { try volume.replaceContents(of: file, with: bytes(9000, 2)) }
    },
    Step(name: "make a directory") { volume in
      try volume.transaction {
        _ = try volume.create("a new directory", in: volume.root, attributes: newAttributes(.directory))
      }
    },
    Step(name: "fill the directory") { _ in },
    Step(name: "rename") { volume in
      try volume.transaction {
        _ = try volume.rename("made with a long name.text", in: volume.root, to: "renamed.text", in: volume.root)
      }
    },
    Step(name: "append") { volume in
      let file = try find("/renamed.text", volume)
      try volume.transaction { try volume.append(bytes(3000, 3), to: file) }
    },
    Step(name: "truncate") { volume in
      let file = try find("/renamed.text", volume)
      try volume.transaction { try volume.truncate(file, to: 2100) }
    },
    Step(name: "move", moved: ("renamed.text", "a new directory/moved here")) { volume in
      let directory = try find("/a new directory", volume)
      try volume.transaction {
        _ = try volume.rename("renamed.text", in: volume.root, to: "moved here", in: directory)
      }
    },
    Step(name: "move over another", moved: ("a new directory/moved here", "kept/file1")) { volume in
      let directory = try find("/a new directory", volume)
      let kept = try find("/kept", volume)
      try volume.transaction { _ = try volume.rename("moved here", in: directory, to: "file1", in: kept) }
    },
    Step(name: "remove") { volume in
      let kept = try find("/kept", volume)
      try volume.transaction { try volume.remove("a file with a longer name", from: kept) }
    },
    Step(name: "attributes") { volume in
      let file = try find("/kept/file1", volume)
      var attributes = try volume.attributes(of: file)
      attributes.permissions = 0o444
      try volume.transaction { try volume.setAttributes(attributes, of: file) }
    },
  ]

  private func tree(_ path: String) throws -> [String: String] {
    let tree = try FileTree.read(FATVolume(FileStore(path)))
    // Times are not compared; what fsck.fat saves of lost chains does not count.
    return tree.filter { !$0.key.hasPrefix("FSCK") }.mapValues {
      $0.split(separator: " ").prefix(4).joined(separator: " ")
    }
  }

  /// Whether what is left is a state before or after a change, or has a moved file's contents under one of two names.
  private func isAllowed(_ found: [String: String], _ states: [(step: Step, tree: [String: String])]) -> Bool {
    if states.contains(where: { $0.tree == found }) { return true }
    return states.indices.dropFirst().contains { index in
      guard let moved = states[index].step.moved else { return false }
      let empty = "regular file 0 0"
      return [(moved.from, moved.to), (moved.to, moved.from)].contains { full, other in
        var wanted = states[index].tree
        wanted[moved.to] = nil
        wanted[full] = states[index].tree[moved.to]
        wanted[other] = empty
        return wanted == found
      }
    }
  }

  @Test(
    "A cut after each write leaves a prefix",
    arguments: [("-F 12", "1440K"), ("-F 16 -s 1", "5M"), ("-F 32 -s 1", "34M"), ("-F 16 -s 4 -f 1", "9M")])
  func cuts(_ options: String, _ size: String) throws {
    let writing = try FATWriting(options, size: size, script: FATWriting.kept + "cp --sparse=always disk base\n")
    let store = RecordingStore(try FileStore(writing.path))
    let volume = try WritableFATVolume(store, isRehearsal: false)
    var states = [(step: Self.steps[0], tree: try tree(writing.path))]
    for step in Self.steps {
      // Each transaction of a step is a state of its own.
      if step.name == "fill the directory" {
        try fill(volume, &states, writing.path, step)
      } else {
        try step.change(volume)
        states.append((step, try tree(writing.path)))
      }
    }
    try volume.finish()
    try writing.check("all")
    let events = store.events
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    print("FAT cuts \(options): \(events.writeCount) writes, seed \(seed)")
    let every = getenv("STRESS_ROUNDS") == nil && options != "-F 16 -s 1" ? 4 : 1
    for count in stride(from: 0, through: events.writeCount, by: every) {
      for isReordered in [false, true] {
        try writing.scratch.shell("cp --sparse=always base cut")
        let path = writing.scratch.file("cut")
        if isReordered {
          try events.replayReordered(writes: count, to: path, random: &random)
        } else {
          try events.replay(writes: count, to: path)
        }
        let repair = try writing.scratch.shell("fsck.fat -a cut", expecting: nil)
        let again = try writing.scratch.shell("fsck.fat -n cut", expecting: nil)
        #expect(again.status == 0, "after \(count) writes, seed \(seed): \(again.text)")
        let found = try tree(path)
        let isFine = isAllowed(found, states)
        #expect(isFine, "after \(count) writes, reordered \(isReordered), seed \(seed): \(repair.text)")
        if !isFine, let near = states.map({ FileTree.difference(found, $0.tree) }).min(by: { $0.count < $1.count }) {
          Issue.record("\(near)")
          return
        }
      }
    }
  }

  private func fill(
    _ volume: WritableFATVolume, _ states: inout [(step: Step, tree: [String: String])], _ path: String, _ step: Step
  ) throws {
    let directory = try Self.find("/a new directory", volume)
    for number in 0..<14 {
      try volume.transaction {
        let file = try volume.create(
          FileName("file with the long number \(number)"), in: directory, attributes: newAttributes())
        try volume.replaceContents(of: file, with: Self.bytes(100 * number, number))
      }
      states.append((step, try tree(path)))
    }
  }
}
