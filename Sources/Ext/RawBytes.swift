import Bytes

extension [UInt8] {
  /// The bytes, to load integers from.
  var raw: RawSpan {
    // Safe: every byte of the array is initialised.
    @_lifetime(borrow self) get { unsafe span.bytes }
  }

  /// Stores `value` little-endian at `offset`, which must lie inside.
  mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    var span = mutableSpan
    // Safe: every byte of the array is initialised.
    var raw = unsafe span.mutableBytes
    raw.store(littleEndian: value, at: offset)
  }
}
