import CDeflate
import CXXHash

/// CRC-32/ISO-HDLC, the one of zlib, gzip and GPT: "123456789" gives 0xCBF43926.
package struct CRC32: Sendable {
  /// The checksum of the bytes so far.
  package private(set) var value: UInt32

  package init() { value = 0 }

  /// Goes on from a finished checksum.
  package init(continuing value: UInt32) { self.value = value }

  package mutating func update(_ bytes: RawSpan) {
    value = unsafe bytes.withUnsafeBytes { unsafe libdeflate_crc32(value, $0.baseAddress, $0.count) }
  }

  /// The checksum of `bytes` alone.
  package static func of(_ bytes: RawSpan) -> UInt32 {
    var crc = CRC32()
    crc.update(bytes)
    return crc.value
  }
}

/// XXH3-64 of `bytes`, seed 0.
@inlinable
package func xxh3(_ bytes: RawSpan) -> UInt64 { xxh3Call(bytes) }

@usableFromInline
func xxh3Call(_ bytes: RawSpan) -> UInt64 {
  unsafe bytes.withUnsafeBytes { unsafe cxxhash_xxh3_64($0.baseAddress, $0.count) }
}
