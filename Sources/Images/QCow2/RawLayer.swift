import BlockIO
import Bytes

/// A raw file at the bottom of a chain: its bytes are the disk's, its holes are zero.
struct RawLayer: Sendable {
  let file: any BlockSource

  var byteCount: UInt64 { file.byteCount }

  /// What the file holds at `offset`, at most to `limit`.
  func run(at offset: UInt64, limit: UInt64) throws -> ClusterRun {
    let extent = try file.extent(at: offset, limit: limit)
    return ClusterRun(
      kind: extent.kind == .data ? .data : .zero, offset: offset, length: extent.length, host: offset)
  }
}
