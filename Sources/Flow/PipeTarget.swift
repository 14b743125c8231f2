package import BlockIO
import SystemPackage
import Threads

/// Standard output or another file that takes bytes in order only.
package final class PipeTarget: SequentialTarget {
  private struct Turn {
    var position: UInt64 = 0
    var isCancelled = false
  }

  private let file: OpenFile
  private let turn = Monitor(Turn())

  package var byteCount: UInt64 { UInt64(Int64.max) }
  package var sectorSize: Int { 1 }

  package init(_ file: consuming OpenFile) { self.file = file }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    try take(offset)
    try file.writeNext(bytes)
    pass(offset + UInt64(bytes.byteCount))
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try take(offset)
    try forEachZeroPiece(at: offset, count: count) { zeroes, _ in try file.writeNext(zeroes) }
    pass(offset + count)
  }

  /// A pipe holds nothing to discard or keep: zeroes stand for it.
  package func discard(at offset: UInt64, count: UInt64) throws { try writeZeroes(at: offset, count: count) }

  /// Waits until everything before `offset` is written.
  private func take(_ offset: UInt64) throws {
    let isMine = turn.update(when: { $0.position == offset || $0.isCancelled }) { !$0.isCancelled }
    guard isMine else { throw Interrupted() }
  }

  private func pass(_ position: UInt64) { turn.update { $0.position = position } }

  package func cancel() { turn.update { $0.isCancelled = true } }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    throw IOError("read", file.path, .illegalSeek)
  }

  package func flush() throws {}
}
