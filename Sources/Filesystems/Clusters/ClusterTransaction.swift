import Bytes

/// The changes of one or more transactions on a volume without a journal, in the order in which they may reach the medium.
///
/// What is new comes first, where nothing leads to it yet; then, one sector after another, what leads to it; then what
/// is no longer needed is given up. After a cut between any two writes the volume has the first so many of the changes
/// that lead somewhere, and clusters too many that are in use.
package struct ClusterTransaction {
  /// Contents of clusters that nothing leads to yet.
  package var fresh: [ClusterChange] = []
  /// Clusters that become used.
  package var allocations: [ClusterChange] = []
  /// What makes the new reachable and the old unreachable, in this order.
  package var switches: [ClusterChange] = []
  /// Chains that end earlier, by the cluster that becomes the last one; each with its new entry.
  package var cuts: [UInt32: UInt32] = [:]
  /// Clusters that become free at last.
  package var releases: [ClusterRun] = []
  /// Clusters that were given to directories and that nothing leads to yet.
  package var freshClusters: Set<UInt32> = []
  /// Whether contents were written past all this.
  package var hasContents = false
  /// Whether an entry of a directory was taken away, as by a move, after which the other place must not come first.
  package var takesAway = false

  package init() {}

  package var isEmpty: Bool {
    fresh.isEmpty && allocations.isEmpty && switches.isEmpty && cuts.isEmpty && releases.isEmpty && !hasContents
  }

  /// Whether nothing that the volume shows is given up, so that the changes may wait for those of later transactions.
  package var canWait: Bool { cuts.isEmpty && releases.isEmpty && !takesAway }

  /// How far changes that can wait had come.
  struct Mark {
    fileprivate let fresh: Int
    fileprivate let allocations: Int
    fileprivate let switches: Int
    fileprivate let freshClusters: Set<UInt32>
    fileprivate let hasContents: Bool
  }

  var mark: Mark {
    Mark(
      fresh: fresh.count, allocations: allocations.count, switches: switches.count, freshClusters: freshClusters,
      hasContents: hasContents)
  }

  /// Takes back what came after `mark`, at which the changes could wait.
  mutating func goBack(to mark: Mark) {
    fresh.removeLast(fresh.count - mark.fresh)
    allocations.removeLast(allocations.count - mark.allocations)
    switches.removeLast(switches.count - mark.switches)
    (cuts, releases, takesAway) = ([:], [], false)
    (freshClusters, hasContents) = (mark.freshClusters, mark.hasContents)
  }

  /// Stages all changes that can wait anew.
  func stageAgain(_ apply: (ClusterChange) throws -> Void) throws {
    for change in fresh + allocations + switches { try apply(change) }
  }

  /// Writes all changes to the volume, which has them staged as a whole so far; `apply` stages one of them.
  package func commit(to volume: StagedVolume, apply: (ClusterChange) throws -> Void) throws {
    volume.drop()
    for change in fresh { try apply(change) }
    try Self.write(volume, isForced: hasContents)
    for change in allocations { try apply(change) }
    try Self.write(volume)
    try commitSwitches(to: volume, apply: apply)
    for (cluster, value) in cuts.sorted(by: { $0.key < $1.key }) { try apply(.entry(of: cluster, value)) }
    try Self.write(volume)
    for run in releases { try apply(.free(run)) }
    try Self.write(volume)
  }

  /// Changes of one sector that follow each other are one write; each write is on the medium before the next.
  private func commitSwitches(to volume: StagedVolume, apply: (ClusterChange) throws -> Void) throws {
    var unit: UInt64?
    for change in switches {
      var changed: UInt64?
      if case .bytes(_, let offset) = change { changed = offset / UInt64(volume.unit) }
      if unit == nil || changed != unit { try Self.write(volume) }
      try apply(change)
      unit = changed
    }
    try Self.write(volume)
  }

  private static func write(_ volume: StagedVolume, isForced: Bool = false) throws {
    let offsets = volume.offsets
    guard !offsets.isEmpty || isForced else { return }
    try volume.write(offsets)
    try volume.flush()
  }
}
