import Glibc
import Testing

/// A program's exit status and what it wrote.
struct Ran {
  let status: Int32
  let output: String
}

/// Runs `arguments` (found in PATH) and waits; standard output and error come back together.
@discardableResult
func run(_ arguments: [String], expecting expected: Int32? = 0) throws -> Ran {
  var pipes: [Int32] = [0, 0]
  try #require(pipe(&pipes) == 0)
  for end in pipes { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
  posix_spawn_file_actions_adddup2(&actions, pipes[1], 2)
  var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer { for case let argument? in argv { free(argument) } }
  var child: pid_t = 0
  let spawned = posix_spawnp(&child, arguments[0], &actions, nil, &argv, environ)
  close(pipes[1])
  defer { close(pipes[0]) }
  try #require(spawned == 0, "cannot start \(arguments[0])")
  var output: [UInt8] = []
  var piece = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = read(pipes[0], &piece, piece.count)
    if count <= 0 { break }
    output += piece[..<count]
  }
  var status: Int32 = 0
  while waitpid(child, &status, 0) < 0 && errno == EINTR {}
  let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
  let result = Ran(status: code, output: String(decoding: output, as: UTF8.self))
  if let expected { try #require(code == expected, "\(arguments.joined(separator: " ")): \(result.output)") }
  return result
}
