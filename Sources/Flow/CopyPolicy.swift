import BlockIO

/// What is done with a range of the target.
package enum Action: Sendable {
  /// The source's bytes are written.
  case write
  /// The range is made to read as zeroes.
  case zero
  /// The target keeps what it has.
  case keep
  /// The device is told that the contents do not matter.
  case discard

  /// Whether the range's contents are decided by the image, and so verified.
  var isCovered: Bool { self == .write || self == .zero }
}

/// What is done with each kind of extent.
package struct CopyPolicy: Sendable {
  /// For ranges that no layer of the image allocates: zero, keep or discard.
  package var unallocated = Action.zero
  /// For a filesystem's free space that a backup left out: keep, zero or discard.
  package var unused = Action.keep

  package init(unallocated: Action = .zero, unused: Action = .keep) {
    self.unallocated = unallocated
    self.unused = unused
  }

  func action(for kind: Extent.Kind) -> Action {
    switch kind {
    case .data: .write
    case .zero: .zero
    case .unallocated: unallocated
    case .unused: unused
    }
  }
}

/// The user stopped the copy.
package struct Interrupted: Error, CustomStringConvertible {
  package init() {}
  package var description: String { "stopped by the user" }
}

/// An image that holds more than the target has room for, which a stream shows only on the way.
package struct TargetTooSmall: Error, CustomStringConvertible {
  /// Bytes that the image holds at least, and that the target has.
  package let needed: UInt64
  package let available: UInt64

  package var description: String {
    "the image is larger than the target: it holds at least \(needed) bytes, the target has \(available)"
  }
}

/// A stream that does not deliver the disk it announced.
package struct StreamLengthError: Error, CustomStringConvertible {
  package let announced: UInt64
  package let delivered: UInt64

  package var description: String {
    "the image says that its disk has \(announced) bytes, but \(delivered) came out of it"
  }
}
