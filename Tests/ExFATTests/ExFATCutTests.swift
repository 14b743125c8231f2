import BlockIO
import Filesystems
import Glibc
import Support
import Testing

@testable import ExFAT

/// The power goes after each single write; fsck.exfat repairs what is left, and that is a prefix of the changes.
@Suite struct ExFATCutTests {
  /// A state of the volume's files, and the names of a file that has moved to it.
  private struct State {
    let tree: [String: String]
    var moved: (from: String, to: String)?
  }

  private static func bytes(_ count: Int, _ seed: Int) -> BytesContents {
    BytesContents((0..<count).map { UInt8(truncatingIfNeeded: ($0 / 7 + 1) * (seed + 3) % 251 + 1) })
  }

  private func tree(_ path: String) throws -> [String: String] {
    try FileTree.read(ExFATVolume(FileStore(path))).mapValues {
      $0.split(separator: " ").prefix(4).joined(separator: " ")
    }
  }

  /// Makes changes, each a transaction, and calls `note` after each.
  private func change(_ volume: WritableExFATVolume, _ note: ((from: String, to: String)?) throws -> Void) throws {
    func find(_ path: String) throws -> FileID { try PathWalk(volume).find(VolumePath(path)).file }
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
    for number in 0..<14 { try make(FileName("file with the long number \(number)"), in: directory, 100 * number) }
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

  /// Whether what is left is one of the states, or has a moved file under both names, one of them perhaps cut to nothing.
  private func isAllowed(_ found: [String: String], _ states: [State]) -> Bool {
    if states.contains(where: { $0.tree == found }) { return true }
    return states.contains { state in
      guard let moved = state.moved else { return false }
      let empty = "regular file 0 0"
      return [(moved.from, moved.to), (moved.to, moved.from)].contains { full, other in
        var wanted = state.tree
        wanted[full] = state.tree[moved.to]
        wanted[other] = empty
        return wanted == found
      }
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
    var states = [State(tree: try tree(writing.path))]
    try change(volume) { states.append(State(tree: try tree(writing.path), moved: $0)) }
    try volume.finish()
    try writing.check("all")
    let events = store.events
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    print("exFAT cuts \(test): \(events.writeCount) writes, seed \(seed)")
    for count in 0...events.writeCount {
      for isReordered in [false, true] {
        try writing.scratch.shell("cp --sparse=always base cut")
        let path = writing.scratch.file("cut")
        if isReordered {
          try events.replayReordered(writes: count, to: path, random: &random)
        } else {
          try events.replay(writes: count, to: path)
        }
        let repair = try writing.scratch.shell("fsck.exfat -p cut", expecting: nil)
        let again = try writing.scratch.shell("fsck.exfat -n cut", expecting: nil)
        #expect(again.status == 0, "after \(count) writes, seed \(seed): \(again.text)")
        let found = try tree(path)
        guard !isAllowed(found, states) else { continue }
        let near = states.map { FileTree.difference(found, $0.tree) }.min { $0.count < $1.count }
        Issue.record("after \(count) writes, reordered \(isReordered), seed \(seed): \(repair.text) \(near ?? [])")
        return
      }
    }
  }
}
