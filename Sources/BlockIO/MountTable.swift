package import SystemPackage

/// One mounted filesystem (/proc/self/mountinfo, proc(5)).
package struct Mount: Sendable {
  /// Major and minor of the filesystem's `st_dev`.
  package let major: UInt32
  package let minor: UInt32
  package let mountPoint: String
  package let type: String
  /// The device or whatever else it was mounted from.
  package let source: String

  /// All mounts that this process sees.
  package static var all: [Mount] {
    (systemText("/proc/self/mountinfo") ?? "").split(separator: "\n").compactMap { Mount($0) }
  }

  private init?(_ line: Substring) {
    let fields = line.split(separator: " ")
    guard fields.count > 6, let dash = fields.firstIndex(of: "-"), dash + 2 < fields.count else { return nil }
    let numbers = fields[2].split(separator: ":").compactMap { UInt32($0) }
    guard numbers.count == 2 else { return nil }
    (major, minor) = (numbers[0], numbers[1])
    mountPoint = unescaped(fields[4])
    type = String(fields[dash + 1])
    source = unescaped(fields[dash + 2])
  }

  /// Whether the filesystem lies on the device with these numbers, either by its own number or by its source's.
  package func isOn(major: UInt32, minor: UInt32) -> Bool {
    if self.major == major && self.minor == minor { return true }
    // Btrfs and others have a number of their own; their source tells.
    guard self.major == 0, source.hasPrefix("/") else { return false }
    return source.split(separator: ":").contains { name in
      guard let status = try? FileStatus.of(FilePath(String(name))), status.kind == .blockDevice else { return false }
      return status.deviceNumbers == (major, minor)
    }
  }
}

/// The files and devices that are swapped on (/proc/swaps).
package func swapPaths() -> [FilePath] {
  (systemText("/proc/swaps") ?? "").split(separator: "\n").dropFirst().compactMap { line in
    line.split(separator: " ").first.map { FilePath(unescaped($0)) }
  }
}

/// Undoes the octal escapes (`\040`) of the kernel's tables.
private func unescaped(_ text: Substring) -> String {
  var bytes: [UInt8] = []
  var rest = Array(text.utf8)[...]
  while let byte = rest.popFirst() {
    if byte == UInt8(ascii: "\\"), rest.count >= 3,
      let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
    {
      bytes.append(code)
      rest = rest.dropFirst(3)
    } else {
      bytes.append(byte)
    }
  }
  return String(decoding: bytes, as: UTF8.self)
}
