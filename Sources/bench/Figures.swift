import Glibc

/// What one run of something took.
struct Sample {
  /// Seconds by the clock.
  let wall: Double
  /// Seconds of processor time of all threads.
  let cpu: Double

  /// Runs `body` once.
  init(of body: () throws -> Void) rethrows {
    let (start, before) = (ContinuousClock.now, Self.processorSeconds)
    try body()
    let taken = start.duration(to: .now).components
    wall = Double(taken.seconds) + Double(taken.attoseconds) * 1e-18
    cpu = Self.processorSeconds - before
  }

  /// User and system time of this process so far (getrusage(2)).
  private static var processorSeconds: Double {
    var usage = rusage()
    guard unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 else { return 0 }
    return [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) * 1e-6 }
  }

  /// The sample as JSON.
  var json: String { "{\"wall\": \(wall), \"cpu\": \(cpu)}" }
}
