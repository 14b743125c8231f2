package import BlockIO
import Bytes
import Threads

extension CopyOptions {
  /// The policy for `target`: one that takes its bytes in order can keep nothing.
  func policy(for target: any BlockTarget) -> CopyPolicy {
    target is any SequentialTarget ? CopyPolicy(unallocated: .zero, unused: .zero) : policy
  }
}

/// What is still to be planned; workers take their steps from it one at a time.
private struct Plan: Sendable {
  var planner: Planner
  var isCancelled = false
}

/// Copies `source` onto `target`: each worker takes the next step of the extent map, reads, decodes and writes it.
package func copy(
  _ source: any BlockSource, to target: any BlockTarget, options: CopyOptions = CopyOptions(), digests: Digests? = nil,
  progress: Progress
) throws {
  let units = StepUnits(target: target, chunkSize: options.chunkSize)
  let plan = Monitor(
    Plan(
      planner: Planner(
        source, range: 0..<source.byteCount, policy: options.policy(for: target), units: units,
        targetByteCount: target.byteCount)))
  let stop = { @Sendable in
    plan.update { $0.isCancelled = true }
    (target as? any SequentialTarget)?.cancel()
  }
  _ = try withWorkers(options.workers, named: "copy", stop: stop) { _ in
    let writer = Writer(target: target, digests: digests, progress: progress)
    // A partial last sector may make a step one sector longer than its chunk.
    var buffer = Buffer(count: Int(units.chunk + units.sector))
    // Nobody has a sum of pages that only the kernel sees.
    let splices = options.splicesPages && digests == nil
    var spliced = splices ? SplicedStep(source, to: target, chunk: units.chunk) : nil
    while let step = try plan.update({ try $0.isCancelled ? nil : $0.planner.next() }) {
      if options.isInterrupted() { throw Interrupted() }
      if step.action == .write {
        if try spliced?.put(step, &buffer) ?? false {
          writer.count(step)
          continue
        }
        let count = Int(min(step.end, source.byteCount) - step.offset)
        var bytes = buffer.mutablePrefix(count)
        try source.read(at: step.offset, into: &bytes)
      }
      try writer.put(step, from: &buffer)
    }
  }
}

/// A step of a stream and its bytes, owned by one thread at a time.
struct Chunk: ~Copyable, Sendable {
  let step: Step
  var buffer: Buffer

  consuming func takeBuffer() -> Buffer { buffer }
}

/// Copies `source` onto `target`: this thread decodes, the workers write, and buffers go round between them.
///
/// Returns the disk's size in bytes, as it came out of the stream.
package func copy(
  _ source: any ExtentStream, to target: any BlockTarget, options: CopyOptions = CopyOptions(),
  digests: Digests? = nil, progress: Progress
) throws -> UInt64 {
  let units = StepUnits(target: target, chunkSize: options.chunkSize)
  // One in the hands of each worker, one that waits and one that is being filled.
  let depth = options.workers + 2
  let chunks = Channel<Chunk>(capacity: depth)
  let free = Channel<Buffer>(capacity: depth)
  for _ in 0..<depth { free.send(Buffer(count: Int(units.chunk + units.sector))) }
  let stop = { @Sendable in
    chunks.cancel()
    free.cancel()
    (target as? any SequentialTarget)?.cancel()
  }
  var delivered: UInt64 = 0
  _ = try withWorkers(options.workers, named: "write", stop: stop) { _ in
    let writer = Writer(target: target, digests: digests, progress: progress)
    while var chunk = chunks.receive() {
      if options.isInterrupted() { throw Interrupted() }
      try writer.put(chunk.step, from: &chunk.buffer)
      free.send(chunk.takeBuffer())
    }
  } feed: {
    defer { chunks.close() }
    var assembler = Assembler(
      source, policy: options.policy(for: target), units: units, targetByteCount: target.byteCount)
    while var buffer = free.receive() {
      if options.isInterrupted() { throw Interrupted() }
      guard let step = try assembler.next(into: &buffer) else { break }
      guard chunks.send(Chunk(step: step, buffer: buffer)) else { return }
    }
    delivered = assembler.delivered
  }
  return delivered
}
