import Bytes

/// Why an image cannot be used, in one sentence that says what, where, and what to do.
package struct ImageError: Error, Sendable, CustomStringConvertible {
  /// The class of failure, which decides the exit status.
  package enum Kind: Sendable {
    /// The bytes contradict the format, or end too early.
    case damaged
    /// The image is sound as far as it was read but uses something that is not supported.
    case unsupported
    /// Reading it needs the user's word: another file it names, a lock somebody holds.
    case refused
  }

  package let kind: Kind
  /// The format's name, such as `qcow2`.
  package let format: String
  /// The file, where one is known.
  package var file: String?
  /// Offset in the file (before decompression unless `detail` says otherwise), where one is known.
  package let offset: UInt64?
  /// What is wrong and what to do.
  package let detail: String

  package init(_ kind: Kind, format: String, file: String? = nil, offset: UInt64? = nil, _ detail: String) {
    self.kind = kind
    self.format = format
    self.file = file
    self.offset = offset
    self.detail = detail
  }

  package var description: String {
    let place = offset.map { " (at offset \($0.hex) of the file)" } ?? ""
    return "\(file.map { $0.printable + ": " } ?? "")\(format): \(detail.printable)\(place)"
  }
}
