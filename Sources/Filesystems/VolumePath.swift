/// A path inside a volume.
package struct VolumePath: Hashable, Sendable {
  /// The names between the slashes, `.` left out, `..` kept.
  package let names: [FileName]
  /// Whether it starts at the volume's root.
  package let isAbsolute: Bool
  /// Whether it ends in a slash (or `/.`), so that only a directory will do.
  package let needsDirectory: Bool

  package init(_ bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    let parts = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: true).map { FileName(Array($0)) }
    names = parts.filter { $0 != .current }
    isAbsolute = bytes.first == UInt8(ascii: "/")
    needsDirectory = bytes.last == UInt8(ascii: "/") || parts.last == .current || parts.last == .parent
  }

  package init(_ text: String) { self.init(text.utf8) }
}

extension VolumePath: CustomStringConvertible {
  package var description: String {
    (isAbsolute ? "/" : "") + names.map(\.description).joined(separator: "/")
      + (needsDirectory && !names.isEmpty ? "/" : "")
  }
}
