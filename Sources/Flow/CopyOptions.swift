package import BlockIO

/// How a copy runs.
package struct CopyOptions: Sendable {
  /// Threads that read, decode and write at once.
  package var workers = 4
  /// The longest write in bytes: a multiple of 4096 and of the target's sector size; none crosses a multiple of it.
  package var chunkSize = 1 << 20
  package var policy = CopyPolicy()
  /// Whether a file's pages go to a device as they are where nobody has to look at them.
  package var splicesPages = true
  /// Asked before each step; true ends the copy with `Interrupted`.
  package var isInterrupted: @Sendable () -> Bool = { false }

  package init() {}

  package init(workers: Int, chunkSize: Int = 1 << 20, policy: CopyPolicy = CopyPolicy()) {
    self.workers = workers
    self.chunkSize = chunkSize
    self.policy = policy
  }
}

extension CopyOptions {
  /// The most workers that are chosen by themselves: each has a chunk, and decoders of some MiB.
  private static let mostWorkers = 16
  /// The longest chunk that a device's wishes make, in bytes.
  private static let longestChunk = 4 << 20

  /// What suits a machine of `cores` cores and a target with `queue` (nil: no device), and an image that decodes
  /// `decodingUnit` bytes at once.
  ///
  /// One worker more than there are cores has a write under way while all cores decode; more only wait in the device's
  /// queue and hold memory there. A chunk is 1 MiB or the multiple of the device's own best size next to that.
  package init(cores: Int, queue: DeviceQueue?, decodingUnit: Int = 1, policy: CopyPolicy = CopyPolicy()) {
    self.init(workers: min(max(cores, 1), Self.mostWorkers - 1) + 1, policy: policy)
    // Clusters that lie in two chunks would be decoded once for each.
    chunkSize = max(chunkSize, decodingUnit)
    if let best = queue?.bestRequest, best > 0, best % max(decodingUnit, 4096) == 0, best <= Self.longestChunk {
      chunkSize = best * max(1, chunkSize / best)
    }
    guard let longest = queue?.longestRequest, longest > 0, let depth = queue?.depth else { return }
    let requests = (chunkSize - 1) / longest + 1
    workers = min(workers, max(2, depth / requests))
  }
}
