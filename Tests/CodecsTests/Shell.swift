import Glibc
import SystemPackage

/// A folder that goes away with its owner.
final class TemporaryFolder {
  let path: FilePath

  init() {
    var name = Array("/tmp/qflash-codecs.XXXXXX".utf8CString)
    _ = mkdtemp(&name)
    path = FilePath(String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }

  deinit { _ = try? shell("rm -rf '\(path)'") }

  func write(_ bytes: [UInt8], _ name: String) throws {
    let file = try FileDescriptor.open(
      path.appending(name), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite)
    try file.closeAfter { _ = try file.writeAll(bytes) }
  }

  func read(_ name: String) throws -> [UInt8] {
    let file = try FileDescriptor.open(path.appending(name), .readOnly)
    return try file.closeAfter {
      let size = Int(try file.seek(offset: 0, from: .end))
      return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = try file.read(fromAbsoluteOffset: 0, into: UnsafeMutableRawBufferPointer(buffer))
      }
    }
  }
}

struct ShellError: Error { let script: String, status: Int32 }

/// Runs `script` with bash in `folder`; throws if it fails.
func shell(_ script: String, in folder: TemporaryFolder? = nil) throws {
  let text = "set -euo pipefail; " + (folder.map { "cd '\($0.path)'; " } ?? "") + script
  var arguments: [UnsafeMutablePointer<CChar>?] = (["bash", "-c", text] as [String]).map { strdup($0) } + [nil]
  defer { for argument in arguments { free(argument) } }
  var pid = pid_t()
  // Test threads block signals, which lbzip2 needs.
  var attributes = posix_spawnattr_t()
  var none = sigset_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  sigemptyset(&none)
  posix_spawnattr_setsigmask(&attributes, &none)
  posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
  guard posix_spawn(&pid, "/bin/bash", nil, &attributes, &arguments, environ) == 0 else {
    throw ShellError(script: script, status: -1)
  }
  var status: Int32 = 0
  while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
  guard status == 0 else { throw ShellError(script: script, status: status) }
}

/// `input` through a shell filter such as `gzip -9`.
func filtered(_ input: [UInt8], _ script: String) throws -> [UInt8] {
  let folder = TemporaryFolder()
  try folder.write(input, "in")
  try shell("{ \(script); } < in > out 2> err || { cat err >&2; exit 1; }", in: folder)
  return try folder.read("out")
}
