extension [UInt8] {
  /// The bytes, to read.
  var raw: RawSpan {
    @_lifetime(borrow self)
    get { unsafe span.bytes }
  }

  /// Gives the bytes to `body` to change.
  mutating func withRaw(_ body: (inout MutableRawSpan) -> Void) {
    var span = mutableSpan
    var raw = unsafe span.mutableBytes
    body(&raw)
  }
}
