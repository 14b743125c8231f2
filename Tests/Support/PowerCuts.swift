package import Filesystems

/// The power goes after each single write to a volume without a journal; its checker repairs what is left, and that is
/// one of the states before or after a change.
package struct PowerCuts {
  /// A state of the volume's files, and the names of a file that has moved to it.
  private struct State {
    let tree: [String: String]
    var moved: (from: String, to: String)?
  }

  private var states: [State] = []
  private let read: (String) throws -> any Filesystem

  /// `read` opens the volume in a file.
  package init(_ read: @escaping (String) throws -> any Filesystem) { self.read = read }

  /// Takes note of a state, that of the volume in `path`, to which a file may have moved from another name.
  package mutating func note(_ path: String, moved: (from: String, to: String)? = nil) throws {
    states.append(State(tree: try tree(path), moved: moved))
  }

  private func tree(_ path: String) throws -> [String: String] {
    // Times are not compared; what fsck.fat saves of lost chains does not count.
    try FileTree.read(read(path)).filter { !$0.key.hasPrefix("FSCK") }.mapValues {
      $0.split(separator: " ").prefix(4).joined(separator: " ")
    }
  }

  /// Whether what is left is one of the states, or has a moved file under both names, one of them perhaps cut to nothing.
  private func isAllowed(_ found: [String: String]) -> Bool {
    if states.contains(where: { $0.tree == found }) { return true }
    return states.contains { state in
      guard let moved = state.moved else { return false }
      return [(moved.from, moved.to), (moved.to, moved.from)].contains { full, other in
        var wanted = state.tree
        wanted[full] = state.tree[moved.to]
        wanted[other] = "regular file 0 0"
        return wanted == found
      }
    }
  }

  /// Cuts after every so many writes, also such that the device has reordered, each on a copy of `base`, and has `repair`
  /// and `check` look at it; returns what is wrong, as a sentence.
  package func run<Volume: ChangedVolume>(
    _ events: [RecordingStore.Event], on volume: Volume, base: String, every: Int = 1
  ) throws -> String? {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededRandom(seed: seed)
    print("\(Volume.checker) cuts: \(events.writeCount) writes, every \(every), seed \(seed)")
    let path = volume.scratch.file("cut")
    for count in stride(from: 0, through: events.writeCount, by: every) {
      for isReordered in [false, true] {
        try volume.scratch.shell("cp --sparse=always \(base) cut")
        if isReordered {
          try events.replayReordered(writes: count, to: path, random: &random)
        } else {
          try events.replay(writes: count, to: path)
        }
        let what = "after \(count) writes, reordered \(isReordered), seed \(seed)"
        let repair = try volume.scratch.shell("\(Volume.repairer) cut", expecting: nil)
        let again = try volume.scratch.shell("\(Volume.checker) cut", expecting: nil)
        guard again.status == 0 else { return "\(what): \(again.text)" }
        let found = try tree(path)
        guard !isAllowed(found) else { continue }
        let near = states.map { FileTree.difference(found, $0.tree) }.min { $0.count < $1.count }
        return "\(what): \(repair.text) \(near ?? [])"
      }
    }
    return nil
  }
}
