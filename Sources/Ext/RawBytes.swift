extension [UInt8] {
  /// The bytes, to load integers from.
  var raw: RawSpan {
    // Safe: every byte of the array is initialised.
    @_lifetime(borrow self) get { unsafe span.bytes }
  }
}
