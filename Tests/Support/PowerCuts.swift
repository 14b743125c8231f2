package import Filesystems

/// The power goes after each single write to a volume without a journal; its checker repairs what is left, and that is
/// one of the states before or after a change.
package struct PowerCuts {
  /// A state of the volume's files, and the names of a file that has moved to it.
  private struct State {
    let tree: [String: String]
    var moved: (from: String, to: String)?
    /// Whether it has reached the medium.
    var isWritten: Bool
  }

  private var states: [State] = []
  private let read: (String) throws -> any Filesystem

  /// `read` opens the volume in a file.
  package init(_ read: @escaping (String) throws -> any Filesystem) { self.read = read }

  /// Takes note of a state as the driver shows it, to which a file may have moved from another name, and of whether it
  /// has reached the medium.
  package mutating func note(
    _ filesystem: any Filesystem, moved: (from: String, to: String)? = nil, isWritten: Bool = true
  ) throws {
    states.append(State(tree: try tree(filesystem), moved: moved, isWritten: isWritten))
  }

  private func tree(_ filesystem: any Filesystem) throws -> [String: String] {
    // Times are not compared; what fsck.fat saves of lost chains does not count.
    try FileTree.read(filesystem).filter { !$0.key.hasPrefix("FSCK") }.mapValues {
      $0.split(separator: " ").prefix(4).joined(separator: " ")
    }
  }

  /// Whether what is left is one of the states, or has a moved file under both names, one of them perhaps cut to nothing.
  private func isAllowed(_ found: [String: String]) -> Bool {
    if states.contains(where: { $0.tree == found }) || isBetween(found) { return true }
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

  /// Whether what is left has part of what several changes have added that reached the medium together, each file as it
  /// was at some time between, and nothing was lost.
  private func isBetween(_ found: [String: String]) -> Bool {
    var start = 0
    for end in states.indices.dropFirst() where states[end].isWritten || end == states.count - 1 {
      let group = states[start...end]
      let (before, after) = (states[start].tree, states[end].tree)
      start = end
      guard group.count > 2 else { continue }
      if found.allSatisfy({ path, line in group.contains { $0.tree[path] == line } }),
        before.keys.allSatisfy({ found[$0] != nil || after[$0] == nil })
      {
        return true
      }
    }
    return false
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
        let found = try tree(read(path))
        guard !isAllowed(found) else { continue }
        let near = states.map { FileTree.difference(found, $0.tree) }.min { $0.count < $1.count }
        return "\(what): \(repair.text) \(near ?? [])"
      }
    }
    return nil
  }
}
