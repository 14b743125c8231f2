import BlockIO
import Glibc
import Support
import SystemPackage
import Testing
import Threads

/// Reads and writes that the kernel cuts short or interrupts.
@Suite(.timeLimit(.minutes(1))) struct OpenFileTests {
  /// Makes SIGUSR1 interrupt system calls rather than end the program.
  private static let catchesSignal: Bool = {
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in }
    return sigaction(SIGUSR1, &action, nil) == 0
  }()

  /// Whatever signals come, all bytes arrive.
  ///
  /// A blocking write into a socket that a signal meets returns early with what fitted, or EINTR if nothing did; a read
  /// that waits returns EINTR.
  @Test func signalsLoseNothing() throws {
    try #require(Self.catchesSignal)
    var ends: [CInt] = [-1, -1]
    // A socket pair, since closing on exec has to be set as it is made: other tests start programs meanwhile.
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
    try #require(socketpair(AF_UNIX, type, 0, &ends) == 0)
    let (from, to) = (ends[0], ends[1])
    var room: CInt = 8192
    try #require(setsockopt(to, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<CInt>.size)) == 0)
    var random = SeededRandom(seed: 5)
    let sent = (0..<(1 << 20)).map { _ in UInt8.random(in: 0...255, using: &random) }
    let running = Monitor<[pthread_t]>([])
    let ended = Monitor(0)
    let results = try withWorkers(2, named: "pipe", stop: {}) { index -> [UInt8] in
      // Threads that the test library starts have all signals blocked, and theirs inherit that.
      var signals = sigset_t()
      sigemptyset(&signals)
      sigaddset(&signals, SIGUSR1)
      pthread_sigmask(SIG_UNBLOCK, &signals, nil)
      running.update { $0.append(pthread_self()) }
      defer { ended.update { $0 += 1 } }
      guard index == 1 else {
        let file = OpenFile(adopting: to, path: "pipe")
        try file.writeNext(sent.span.bytes)
        return []
      }
      let file = OpenFile(adopting: from, path: "pipe")
      return try Self.readSlowly(file)
    } feed: {
      while ended.update({ $0 }) < 2 {
        for thread in running.update({ $0 }) { pthread_kill(thread, SIGUSR1) }
        usleep(100)
      }
    }
    let isEqual = results.contains { $0 == sent }
    #expect(isEqual, "\(results.map(\.count)) bytes of \(sent.count) arrived")
  }

  /// Everything up to the end, in pieces that make the writer wait.
  private static func readSlowly(_ file: borrowing OpenFile) throws -> [UInt8] {
    var all: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 10_000)
    while true {
      var span = piece.mutableSpan
      var raw = span.mutableBytes
      let count = try file.readNext(into: &raw)
      all += piece.prefix(count)
      if count < piece.count { return all }
      usleep(300)
    }
  }
}
