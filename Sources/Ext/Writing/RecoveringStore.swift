import BlockIO
import Bytes
import Synchronization

/// A store whose journal waits to be written back: read as it will be then, written as it is.
final class RecoveringStore: BlockSource, BlockTarget {
  private let store: any BlockStore
  private let replayed: RedirectedVolume?
  private let isRecovered = Atomic(false)

  /// `replayed` is the volume with its journal laid over it; nil where nothing waits.
  init(_ store: any BlockStore, _ replayed: RedirectedVolume?) {
    self.store = store
    self.replayed = replayed
  }

  /// The journal's blocks that wait to be written to their places; nil where none do.
  var waiting: RedirectedVolume? { isRecovered.load(ordering: .relaxed) ? nil : replayed }

  /// Reads the store as it is from now on, after the waiting blocks were written to their places.
  func markRecovered() { isRecovered.store(true, ordering: .relaxed) }

  private var source: any BlockSource { waiting ?? store }

  var byteCount: UInt64 { source.byteCount }
  var sectorSize: Int { store.sectorSize }

  func extent(at offset: UInt64, limit: UInt64) throws -> Extent { try source.extent(at: offset, limit: limit) }
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws { try source.read(at: offset, into: &buffer) }
  func write(_ bytes: RawSpan, at offset: UInt64) throws { try store.write(bytes, at: offset) }
  func writeZeroes(at offset: UInt64, count: UInt64) throws { try store.writeZeroes(at: offset, count: count) }
  func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try store.readBack(at: offset, into: &buffer)
  }
  func flush() throws { try store.flush() }
}
