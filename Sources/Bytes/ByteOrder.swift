/// The order in which a writer's machine stored the bytes of an integer.
package enum ByteOrder: Sendable, Hashable {
  case little, big

  /// The integer stored at `offset` of `bytes`.
  ///
  /// - Precondition: `offset ..< offset + size of T` lies inside the span.
  @inlinable @inline(__always)
  package func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: borrowing RawSpan, at offset: Int, as type: T.Type = T.self
  ) -> T {
    switch self {
    case .little: bytes.littleEndian(at: offset)
    case .big: bytes.bigEndian(at: offset)
    }
  }
}
