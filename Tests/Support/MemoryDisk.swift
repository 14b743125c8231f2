package import BlockIO
import Bytes
import SystemPackage
package import Threads

/// A disk in memory with an extent map of one's choice.
package final class MemoryDisk: BlockSource, BlockTarget {
  package let bytes: Monitor<[UInt8]>
  package let byteCount: UInt64
  package let sectorSize: Int
  private let map: [Extent]

  /// `map` need not cover the disk; what it leaves out is data.
  package init(_ bytes: [UInt8], map: [Extent] = [], sectorSize: Int = 512) {
    self.bytes = Monitor(bytes)
    byteCount = UInt64(bytes.count)
    self.map = map
    self.sectorSize = sectorSize
  }

  /// A copy of all bytes.
  package var contents: [UInt8] { bytes.update { $0 } }

  package func extent(at offset: UInt64, limit: UInt64) -> Extent {
    if let found = map.first(where: { $0.offset <= offset && offset < $0.end }) {
      return Extent(found.kind, offset: offset, length: min(found.end, limit) - offset)
    }
    let next = map.map(\.offset).filter { $0 > offset }.min() ?? limit
    return Extent(.data, offset: offset, length: min(next, limit) - offset)
  }

  package func read(at offset: UInt64, into buffer: inout MutableRawSpan) {
    bytes.update { disk in
      buffer.withUnsafeMutableBytes { to in
        disk.withUnsafeBytes { to.copyMemory(from: .init(rebasing: $0[Int(offset)..<(Int(offset) + to.count)])) }
      }
    }
  }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) { read(at: offset, into: &buffer) }

  package func write(_ span: RawSpan, at offset: UInt64) {
    bytes.update { disk in
      span.withUnsafeBytes { from in
        disk.withUnsafeMutableBytes {
          UnsafeMutableRawBufferPointer(rebasing: $0[Int(offset)..<(Int(offset) + from.count)]).copyMemory(from: from)
        }
      }
    }
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) {
    bytes.update { disk in
      disk.withUnsafeMutableBytes {
        _ = UnsafeMutableRawBufferPointer(rebasing: $0[Int(offset)..<Int(offset + count)]).initializeMemory(
          as: UInt8.self, repeating: 0)
      }
    }
  }

  package func flush() {}
}

extension MemoryDisk {
  /// A disk with a file's bytes.
  package convenience init(contentsOf path: String) throws {
    let file = try FileSource(FilePath(path))
    var bytes = [UInt8](repeating: 0, count: Int(file.byteCount))
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    try file.read(at: 0, into: &raw)
    self.init(bytes)
  }

  /// Puts bytes somewhere.
  package func put(_ new: [UInt8], at offset: Int) {
    bytes.update { all in for (index, byte) in new.enumerated() { all[offset + index] = byte } }
  }

  /// The byte at `offset`.
  package func byte(_ offset: Int) -> UInt8 { bytes.update { $0[offset] } }
}
