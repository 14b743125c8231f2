package import Filesystems

/// A path inside a disk as a patch names it: `/etc/hostname`, or `2:/etc/hostname` on partition 2.
package struct PatchPath: Hashable, Sendable {
  /// The partition's number; nil where it is to be found.
  package let partition: Int?
  package let path: VolumePath
  /// As it was given, for messages.
  package let text: String

  package init(partition: Int?, path: VolumePath, text: String) {
    self.partition = partition
    self.path = path
    self.text = text
  }

  /// Takes apart what a command line or a file says; `\\`, `\=` and `\xNN` stand for single bytes.
  package init(_ text: String) throws(PatchSyntaxError) {
    try self.init(bytes: Escapes.path(Array(text.utf8)), text: text)
  }

  /// The path of `bytes`, escapes undone.
  init(bytes: [UInt8], text: String) throws(PatchSyntaxError) {
    var rest = bytes[...]
    let digits = rest.prefix { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    var partition: Int?
    if !digits.isEmpty, rest.dropFirst(digits.count).starts(with: ":/".utf8) {
      guard let number = Int(String(decoding: digits, as: UTF8.self)), number > 0 else {
        throw PatchSyntaxError("'\(text)': partitions are numbered from 1 on")
      }
      partition = number
      rest = rest.dropFirst(digits.count + 1)
    }
    guard rest.first == UInt8(ascii: "/") else {
      throw PatchSyntaxError("'\(text)': a path inside a volume starts with / (or N:/ for partition N)")
    }
    guard !rest.contains(0) else { throw PatchSyntaxError("'\(text)': a path holds no NUL") }
    self.init(partition: partition, path: VolumePath(rest), text: text)
  }

  /// The path from the volume's root, for messages and for the host's own file of that name.
  package var inVolume: String { path.description }

  /// The same place with another name below it.
  func appending(_ name: FileName) -> PatchPath {
    var bytes: [UInt8] = []
    for one in path.names + [name] { bytes += [UInt8(ascii: "/")] + one.bytes }
    return PatchPath(
      partition: partition, path: VolumePath(bytes), text: text + (text.hasSuffix("/") ? "" : "/") + name.description)
  }
}

/// A patch that cannot be understood, and why, in a sentence.
package struct PatchSyntaxError: Error, Sendable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
