import BlockIO
import Threads

/// A memory disk that goes wrong in a chosen way.
package final class FaultyTarget: BlockTarget {
  /// What goes wrong.
  package enum Fault: Sendable {
    /// Writes that hold this byte fail.
    case failsWrite(UInt64)
    /// The byte at this offset is written inverted.
    case flips(UInt64)
    /// The byte at this offset reads inverted, the first time only.
    case misreadsOnce(UInt64)
    /// Zeroing this byte's range does nothing.
    case skipsZero(UInt64)
  }

  package struct Failure: Error {}

  private let disk: MemoryDisk
  private let fault: Fault
  private let hasMisread = Monitor(false)

  package init(_ disk: MemoryDisk, _ fault: Fault) {
    self.disk = disk
    self.fault = fault
  }

  package var byteCount: UInt64 { disk.byteCount }
  package var sectorSize: Int { disk.sectorSize }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    let range = offset..<(offset + UInt64(bytes.byteCount))
    if case .failsWrite(let bad) = fault, range.contains(bad) { throw Failure() }
    disk.write(bytes, at: offset)
    if case .flips(let bad) = fault, range.contains(bad) { disk.bytes.update { $0[Int(bad)] ^= 0xff } }
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    if case .skipsZero(let bad) = fault, (offset..<(offset + count)).contains(bad) { return }
    disk.writeZeroes(at: offset, count: count)
  }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    disk.read(at: offset, into: &buffer)
    guard case .misreadsOnce(let bad) = fault, bad >= offset, bad < offset + UInt64(buffer.byteCount) else { return }
    let isFirst = hasMisread.update { seen in
      defer { seen = true }
      return !seen
    }
    let place = Int(bad - offset)
    if isFirst {
      buffer.storeBytes(
        of: ~buffer.unsafeLoad(fromByteOffset: place, as: UInt8.self), toByteOffset: place, as: UInt8.self)
    }
  }

  package func flush() {}
}
