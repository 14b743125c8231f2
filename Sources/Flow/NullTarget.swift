import BlockIO
import SystemPackage

/// A target that takes everything and keeps nothing: for reading an image to its end.
package struct NullTarget: BlockTarget {
  package init() {}

  package var byteCount: UInt64 { UInt64(Int64.max) }
  package var sectorSize: Int { 1 }
  package func write(_ bytes: RawSpan, at offset: UInt64) {}
  package func writeZeroes(at offset: UInt64, count: UInt64) {}
  package func flush() {}

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    throw IOError("read", "nothing", .illegalSeek)
  }
}
