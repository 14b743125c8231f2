import Glibc

/// What a program printed and how it ended.
package struct Finished: Sendable {
  /// The exit status; 128 and the signal's number for one that a signal ended.
  package let status: Int32
  package let output: String
  package let error: String

  /// Both outputs.
  package var text: String { output + error }
}

/// A program that cannot be run, or that ended otherwise than expected.
package struct ShellError: Error, CustomStringConvertible {
  package let description: String
}

/// Runs a bash script, `set -euo pipefail`, in `folder` and waits for its end; nil `expecting` takes any status.
@discardableResult
package func shell(_ script: String, in folder: String = "/", expecting: Int32? = 0) throws -> Finished {
  try run(["bash", "-c", "set -euo pipefail\ncd \"$0\"\n" + script, folder], expecting: expecting)
}

/// Runs a program found in PATH and waits for its end; nil `expecting` takes any status.
@discardableResult
package func run(_ arguments: [String], expecting: Int32? = nil) throws -> Finished {
  var out: [Int32] = [-1, -1]
  var err: [Int32] = [-1, -1]
  // Socket pairs, since closing on exec has to be set as they are made: other tests start programs meanwhile.
  let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
  guard socketpair(AF_UNIX, type, 0, &out) == 0, socketpair(AF_UNIX, type, 0, &err) == 0 else {
    throw ShellError(description: "no pipe")
  }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_adddup2(&actions, out[1], 1)
  posix_spawn_file_actions_adddup2(&actions, err[1], 2)
  var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer { for word in words { free(word) } }
  var child: pid_t = 0
  let spawned = posix_spawnp(&child, arguments[0], &actions, nil, &words, environ)
  close(out[1])
  close(err[1])
  defer {
    close(out[0])
    close(err[0])
  }
  guard spawned == 0 else { throw ShellError(description: "cannot run \(arguments[0])") }
  let (output, error) = drain(out[0], err[0])
  var status: Int32 = 0
  while waitpid(child, &status, 0) < 0 && errno == EINTR {}
  let code = status & 0x7f == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f)
  let finished = Finished(status: code, output: output, error: error)
  if let expecting, expecting != code {
    throw ShellError(
      description: "\(arguments.joined(separator: " ")): exit \(code), not \(expecting)\n\(finished.text)")
  }
  return finished
}

/// Reads two pipes to their ends.
private func drain(_ first: Int32, _ second: Int32) -> (String, String) {
  var texts: [[UInt8]] = [[], []]
  var polled = [
    pollfd(fd: first, events: Int16(POLLIN), revents: 0), pollfd(fd: second, events: Int16(POLLIN), revents: 0),
  ]
  var chunk = [UInt8](repeating: 0, count: 65536)
  while polled.contains(where: { $0.fd >= 0 }) {
    guard poll(&polled, 2, -1) >= 0 || errno == EINTR else { break }
    for i in polled.indices where polled[i].fd >= 0 && polled[i].revents != 0 {
      let count = read(polled[i].fd, &chunk, chunk.count)
      if count > 0 { texts[i] += chunk.prefix(count) } else if count == 0 || errno != EINTR { polled[i].fd = -1 }
    }
  }
  return (String(decoding: texts[0], as: UTF8.self), String(decoding: texts[1], as: UTF8.self))
}

/// A folder that goes away with its owner.
package final class Scratch: Sendable {
  package let path: String

  /// Makes the folder below `parent`.
  package init(in parent: String = "/tmp") throws {
    var name = Array("\(parent)/qflash-test-XXXXXX".utf8CString)
    guard mkdtemp(&name) != nil else { throw ShellError(description: "no temporary folder") }
    path = String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  deinit { _ = try? run(["rm", "-rf", "--one-file-system", path]) }

  /// The full name of a file in the folder.
  package func file(_ name: String) -> String { path + "/" + name }

  /// Runs a bash script in the folder.
  @discardableResult
  package func shell(_ script: String, expecting: Int32? = 0) throws -> Finished {
    try Support.shell(script, in: path, expecting: expecting)
  }
}

/// What this machine lets tests do.
package enum Machine {
  /// Whether loop devices can be made: root, and a kernel that has them.
  package static let hasLoopDevices = (try? shell("test $(id -u) = 0 && losetup -f", expecting: nil).status) == 0

  /// The folder that the test program was built into, where the binaries are too.
  package static let binaries: String = {
    var name = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &name, 4095)
    let path = String(decoding: name.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return path.split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
  }()
}

/// A loop device on a new file full of one byte, detached with its owner.
package final class LoopDevice {
  package let node: String
  private let scratch: Scratch

  /// `size` is in bytes; the file behind is filled with `byte`.
  package init(size: Int, sectorSize: Int = 512, byte: UInt8 = 0xaa) throws {
    scratch = try Scratch()
    let octal = String(byte, radix: 8)
    try scratch.shell("head -c \(size) /dev/zero | tr '\\0' '\\\(octal)' > disk")
    node =
      try scratch.shell("losetup --find --show --sector-size \(sectorSize) disk").output
      .split(separator: "\n").first.map { String($0) } ?? ""
    guard node.hasPrefix("/dev/") else { throw ShellError(description: "no loop device") }
    // The kernel keeps partitions that an earlier owner of the loop device left.
    _ = try? run(["partx", "-d", "--nr", "1:64", node])
  }

  /// The file behind the device.
  package var file: String { scratch.path + "/disk" }

  deinit {
    _ = try? run(["partx", "-d", "--nr", "1:64", node])
    _ = try? run(["losetup", "-d", node])
  }
}
