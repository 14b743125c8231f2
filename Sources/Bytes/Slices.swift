extension RawSpan {
  /// The `count` bytes from `offset`; both must lie inside the span.
  @inlinable @inline(__always)
  @_lifetime(copy self)
  package func slice(_ offset: Int, _ count: Int) -> RawSpan {
    extracting(offset..<(offset + count))
  }
}

extension MutableRawSpan {
  /// The `count` bytes from `offset`, to fill; both must lie inside the span.
  @inlinable @inline(__always)
  @_lifetime(&self)
  package mutating func mutableSlice(_ offset: Int, _ count: Int) -> MutableRawSpan {
    _mutatingExtracting(offset..<(offset + count))
  }
}
