/// Runs `body` on `count` kernel threads while `feed` runs on this one, and returns what each worker returned.
///
/// The first error, of a worker or of `feed`, is thrown once all threads have ended; `stop` is called as soon as it
/// happens and must wake every thread that waits.
package func withWorkers<Result: Sendable>(
  _ count: Int, named name: String, stop: @escaping @Sendable () -> Void,
  _ body: @escaping @Sendable (_ index: Int) throws -> Result, feed: () throws -> Void = {}
) throws -> [Result] {
  let outcome = Outcome<Result>()
  var threads: [Thread] = []
  for index in 0..<count {
    let thread = Thread(name: "\(name).\(index)") {
      do { outcome.add(try body(index)) } catch {
        outcome.fail(error)
        stop()
      }
    }
    guard let thread else {
      // Fewer workers do the same work; none cannot.
      if threads.isEmpty { throw ThreadError() }
      break
    }
    threads.append(thread)
  }
  do { try feed() } catch {
    outcome.fail(error)
    stop()
  }
  for thread in threads { thread.join() }
  return try outcome.get()
}

private final class Outcome<Result: Sendable>: Sendable {
  private let state = Monitor<(results: [Result], error: (any Error)?)>(([], nil))
  func add(_ result: Result) { state.update { $0.results.append(result) } }
  func fail(_ error: any Error) { state.update { $0.error = $0.error ?? error } }
  func get() throws -> [Result] {
    try state.update {
      if let error = $0.error { throw error }
      return $0.results
    }
  }
}
