/// A device's limits on requests, as the kernel tells them below /sys/block/*/queue; nil or 0 where it does not.
package struct DeviceQueue: Sendable {
  /// The most bytes of one request; longer writes are cut (max_sectors_kb).
  package let longestRequest: Int?
  /// The bytes of a request, or a multiple of them, that suit the device best, such as a RAID's stripe (optimal_io_size).
  package let bestRequest: Int?
  /// How many requests may wait at once (nr_requests).
  package let depth: Int?

  package init(longestRequest: Int? = nil, bestRequest: Int? = nil, depth: Int? = nil) {
    self.longestRequest = longestRequest
    self.bestRequest = bestRequest
    self.depth = depth
  }
}
