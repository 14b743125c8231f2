package import BlockIO
import Glibc
import Threads

/// A volume in a host file, sparse or not, read and written at any range.
package final class FileStore: BlockSource, BlockTarget {
  private let descriptor: Int32
  package let byteCount: UInt64
  package let path: String

  package init(_ path: String) throws {
    descriptor = open(path, O_RDWR | O_CLOEXEC)
    guard descriptor >= 0 else { throw ShellError(description: "cannot open \(path)") }
    self.path = path
    byteCount = UInt64(lseek(descriptor, 0, SEEK_END))
  }

  deinit { close(descriptor) }

  package var sectorSize: Int { 512 }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: limit - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    let count = buffer.byteCount
    let done = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, count, Int(offset)) }
    guard done == count else { throw ShellError(description: "\(path): \(done) of \(count) bytes at \(offset)") }
  }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try read(at: offset, into: &buffer)
  }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    guard offset + UInt64(bytes.byteCount) <= byteCount else {
      throw ShellError(description: "\(path): a write past the end, at \(offset)")
    }
    let done = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, Int(offset)) }
    guard done == bytes.byteCount else { throw ShellError(description: "\(path): a short write at \(offset)") }
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try forEachZeroPiece(at: offset, count: count) { try write($0, at: $1) }
  }

  package func flush() {}
}

/// A volume that keeps a log of what is written to it, so that a test can stop after each write.
package final class RecordingStore: BlockSource, BlockTarget {
  /// What a driver did, in order.
  package enum Event: Sendable {
    case write(offset: UInt64, bytes: [UInt8])
    case flush
  }

  private let base: FileStore
  private let log = Monitor<[Event]>([])

  /// Records what goes to `base`, which is really written.
  package init(_ base: FileStore) { self.base = base }

  package var byteCount: UInt64 { base.byteCount }
  package var sectorSize: Int { base.sectorSize }
  /// All events so far.
  package var events: [Event] { log.update { $0 } }
  /// Forgets the events so far.
  package func reset() { log.update { $0 = [] } }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent { base.extent(at: offset, limit: limit) }
  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try base.read(at: offset, into: &buffer)
  }
  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try base.read(at: offset, into: &buffer)
  }
  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    let copy = bytes.withUnsafeBytes { Array($0) }
    log.update { $0.append(.write(offset: offset, bytes: copy)) }
    try base.write(bytes, at: offset)
  }
  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    try forEachZeroPiece(at: offset, count: count) { try write($0, at: $1) }
  }
  package func flush() { log.update { $0.append(.flush) } }
}

extension [RecordingStore.Event] {
  /// How many of the events are writes.
  package var writeCount: Int { reduce(0) { if case .write = $1 { $0 + 1 } else { $0 } } }

  /// Writes the first `count` writes to the volume in `path`, as if the power had gone after them.
  package func replay(writes count: Int, to path: String) throws {
    let store = try FileStore(path)
    var left = count
    for event in self {
      guard case .write(let offset, let bytes) = event else { continue }
      guard left > 0 else { return }
      left -= 1
      try store.write(bytes.span.bytes, at: offset)
    }
  }

  /// Writes what a power cut after the first `count` writes may leave where the device reorders: all writes before the
  /// last flush, and of those since it each with a chance of one half.
  package func replayReordered(writes count: Int, to path: String, random: inout SeededRandom) throws {
    let store = try FileStore(path)
    var sure: [RecordingStore.Event] = []
    var pending: [RecordingStore.Event] = []
    var left = count
    for event in self {
      if case .flush = event {
        sure += pending
        pending = []
      } else if left > 0 {
        left -= 1
        pending.append(event)
      } else {
        break
      }
    }
    for event in sure + pending.filter({ _ in Bool.random(using: &random) }) {
      guard case .write(let offset, let bytes) = event else { continue }
      try store.write(bytes.span.bytes, at: offset)
    }
  }
}
