import Glibc
package import SystemPackage

/// Reads a small file of /proc or /sys, at most 1 MiB of it, as text without the final newline; nil if it is not there.
package func systemText(_ path: FilePath) -> String? {
  guard let file = try? OpenFile(path, .readOnly) else { return nil }
  var buffer = Buffer(count: 1 << 20)
  guard let count = try? buffer.fill({ try file.readNext(into: &$0) }) else { return nil }
  var text = unsafe buffer.prefix(count).withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
  while text.last == "\n" { text.removeLast() }
  return text
}

/// The names in a directory, sorted, without `.` and `..`; empty if it cannot be read.
package func directoryEntries(_ path: FilePath) -> [String] {
  guard let directory = unsafe path.withPlatformString({ unsafe opendir($0) }) else { return [] }
  defer { unsafe closedir(directory) }
  var names: [String] = []
  while let entry = unsafe readdir(directory) {
    let name = unsafe withUnsafePointer(to: entry.pointee.d_name) { name in
      unsafe name.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
    }
    if name != ".", name != ".." { names.append(name) }
  }
  return names.sorted()
}
