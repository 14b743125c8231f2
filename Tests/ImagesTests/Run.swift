import BlockIO
import Bytes
import Glibc
import SystemPackage
import Testing

/// A program's exit status and what it wrote.
struct Ran {
  let status: Int32
  let output: String
}

/// Runs `arguments` (found in PATH) and waits; standard output and error come back together.
@discardableResult
func run(_ arguments: [String], expecting expected: Int32? = 0) throws -> Ran {
  let name = "/tmp/qflash-images-output-\(getpid())-\(UInt64.random(in: 0 ... .max).hex)"
  defer { unlink(name) }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_addopen(&actions, 1, name, O_WRONLY | O_CREAT | O_EXCL, 0o600)
  posix_spawn_file_actions_adddup2(&actions, 1, 2)
  var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer { for case let argument? in argv { free(argument) } }
  var child: pid_t = 0
  let spawned = posix_spawnp(&child, arguments[0], &actions, nil, &argv, environ)
  try #require(spawned == 0, "cannot start \(arguments[0])")
  var status: Int32 = 0
  while waitpid(child, &status, 0) < 0 && errno == EINTR {}
  let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
  let output = String(decoding: try contents(of: FileSource(FilePath(name))), as: UTF8.self)
  if let expected { try #require(code == expected, "\(arguments.joined(separator: " ")): \(output)") }
  return Ran(status: code, output: output)
}
