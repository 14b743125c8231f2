import CXXHash

/// XXH64 of `bytes`, seed 0, as the number whose big-endian form is the canonical digest.
package func xxh64(_ bytes: RawSpan) -> UInt64 {
  unsafe bytes.withUnsafeBytes { unsafe XXH64($0.baseAddress, $0.count, 0) }
}

/// XXH3-128 of `bytes`, seed 0.
package func xxh128(_ bytes: RawSpan) -> (low: UInt64, high: UInt64) {
  let hash = unsafe bytes.withUnsafeBytes { unsafe XXH3_128bits($0.baseAddress, $0.count) }
  return (hash.low64, hash.high64)
}

/// XXH64, seed 0, of bytes that come piece by piece.
@safe
package final class XXH64Stream {
  private let state: OpaquePointer

  /// Nil where memory is short.
  package init?() {
    guard let state = unsafe XXH64_createState() else { return nil }
    unsafe self.state = unsafe state
    restart()
  }

  deinit { unsafe XXH64_freeState(state) }

  /// Forgets all bytes.
  package func restart() { unsafe XXH64_reset(state, 0) }

  package func update(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { bytes in _ = unsafe XXH64_update(state, bytes.baseAddress, bytes.count) }
  }

  /// The hash of the bytes so far; more may follow.
  package var value: UInt64 { unsafe XXH64_digest(state) }
}

/// XXH3-128, seed 0, of bytes that come piece by piece.
@safe
package final class XXH128Stream {
  private let state: OpaquePointer

  /// Nil where memory is short.
  package init?() {
    guard let state = unsafe XXH3_createState() else { return nil }
    unsafe self.state = unsafe state
    restart()
  }

  deinit { unsafe XXH3_freeState(state) }

  /// Forgets all bytes.
  package func restart() { unsafe XXH3_128bits_reset(state) }

  package func update(_ bytes: RawSpan) {
    unsafe bytes.withUnsafeBytes { bytes in _ = unsafe XXH3_128bits_update(state, bytes.baseAddress, bytes.count) }
  }

  /// The hash of the bytes so far; more may follow.
  package var value: (low: UInt64, high: UInt64) {
    let hash = unsafe XXH3_128bits_digest(state)
    return (hash.low64, hash.high64)
  }
}
