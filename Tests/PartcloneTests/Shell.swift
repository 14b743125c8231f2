import Glibc
import Testing

/// Runs a Bash script and returns what it printed; a status other than 0 fails the test.
@discardableResult
func shell(_ script: String) throws -> String {
  var pipes: [Int32] = [0, 0]
  try #require(pipe(&pipes) == 0)
  for end in pipes { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
  posix_spawn_file_actions_adddup2(&actions, pipes[1], 2)
  let arguments = ["bash", "-euo", "pipefail", "-c", script]
  var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer { for case let argument? in argv { free(argument) } }
  var child: pid_t = 0
  let spawned = posix_spawnp(&child, "bash", &actions, nil, &argv, environ)
  close(pipes[1])
  defer { close(pipes[0]) }
  try #require(spawned == 0, "cannot start bash")
  var output: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = read(pipes[0], &piece, piece.count)
    if count <= 0 { break }
    output += piece[..<count]
  }
  var status: Int32 = 0
  while waitpid(child, &status, 0) < 0 && errno == EINTR {}
  let text = String(decoding: output, as: UTF8.self)
  try #require(status == 0, "\(script): \(text.suffix(2000))")
  return text
}

/// A new folder in memory (partclone syncs what it writes) that goes away with its owner.
final class Folder: Sendable {
  let path: String

  init() throws {
    var name = Array("/dev/shm/partclone-tests.XXXXXX".utf8CString)
    let made = name.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap { mkdtemp($0) } != nil }
    try #require(made)
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { _ = try? shell("rm -rf '\(path)'") }
}

/// All bytes of a file.
func contents(_ path: String) throws -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  try #require(file >= 0, "cannot open \(path)")
  defer { close(file) }
  let size = Int(lseek(file, 0, SEEK_END))
  let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    while count < size {
      let got = pread(file, buffer.baseAddress.map { $0 + count }, size - count, off_t(count))
      if got <= 0 { break }
      count += got
    }
  }
  try #require(bytes.count == size)
  return bytes
}
