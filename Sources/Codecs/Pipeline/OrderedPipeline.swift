package import BlockIO
import Bytes
import Threads

/// Where a decoder puts what a piece decodes to.
package struct PieceOutput<Piece: Sendable>: Sendable {
  let queue: PieceQueue<Piece>
  let ticket: UInt64

  /// An empty chunk to fill; waits while too much is waiting, and throws when nobody wants it any more.
  package func chunk(_ capacity: Int = Chunk.usualCapacity) throws -> Chunk { try queue.chunk(capacity, for: ticket) }

  /// Hands on a filled chunk, one that `chunk(_:)` gave; throws when nobody wants it any more.
  package func append(_ chunk: Chunk) throws { try queue.append(chunk, to: ticket) }

  /// Hands on all of `stream`.
  package func append(contentsOf stream: any ByteStream) throws {
    while true {
      let chunk = try chunk()
      let count = try chunk.append { try stream.read(into: &$0) }
      if count > 0 { try append(chunk) }
      if count < chunk.capacity { return }
    }
  }
}

/// Where a splitter puts the pieces that it finds.
package struct PieceSink<Piece: Sendable>: Sendable {
  let queue: PieceQueue<Piece>
  let workers: DecodingWorkers

  /// Hands on a piece that holds `cost` bytes of memory to be decoded by a worker.
  package func append(_ piece: Piece, cost: Int) throws {
    try workers.start()
    _ = try queue.add(piece, cost: cost)
  }

  /// Decodes a part of the stream on this thread.
  package func append(contentsOf stream: any ByteStream) throws {
    let ticket = try queue.add(nil, cost: 0)
    do { try PieceOutput(queue: queue, ticket: ticket).append(contentsOf: stream) } catch {
      queue.finish(ticket, error)
      throw error
    }
    queue.finish(ticket)
  }
}

/// What is checked on the way out, in the stream's order.
package protocol PieceSequence<Piece>: AnyObject {
  associatedtype Piece: Sendable
  /// Decoded bytes pass.
  func pass(_ bytes: RawSpan)
  /// All of a piece has passed.
  func finish(_ piece: Piece) throws
  /// One piece made of two neighbours, where a piece that cannot be decoded may have been cut in the wrong place.
  func join(_ piece: Piece, _ next: Piece) -> Piece?
}

extension PieceSequence {
  package func pass(_ bytes: RawSpan) {}
  package func finish(_ piece: Piece) throws {}
  package func join(_ piece: Piece, _ next: Piece) -> Piece? { nil }
}

/// A stream that one thread cuts into pieces, several decode and the caller reads in order.
///
/// The first error in the stream's order is thrown. When the pipeline goes away its threads end.
package final class OrderedPipeline<Piece: Sendable>: ByteStream {
  /// Decodes one piece; made once for each worker.
  package typealias Decode = (_ piece: Piece, _ output: PieceOutput<Piece>) throws -> Void

  private let queue: PieceQueue<Piece>
  private let sequence: (any PieceSequence<Piece>)?
  private let stop: StopFlag?
  private let workers: DecodingWorkers
  private let splitter: Thread
  private var chunk: Chunk?
  private var position = 0
  private var failure: (any Error)?

  /// Starts a thread that runs `split`, and with its first piece `workers` ones that decode beside it; `stop` is raised to
  /// end a `split` that waits for input.
  package init(
    workers: Int, memory: Int, sequence: (any PieceSequence<Piece>)? = nil, stop: StopFlag? = nil,
    decoder: @escaping @Sendable () throws -> Decode, split: @escaping (PieceSink<Piece>) throws -> Void
  ) throws {
    let queue = PieceQueue<Piece>(memory: memory, slotLimit: max(workers, 1) * 4)
    self.queue = queue
    self.sequence = sequence
    self.stop = stop
    let split = Unshared(split)
    let crew = DecodingWorkers(count: workers) { Self.work(queue, decoder) }
    self.workers = crew
    let splitter = Thread(name: workers > 0 ? "split" : "decode") {
      do {
        try split.value(PieceSink(queue: queue, workers: crew))
        queue.endOfInput(nil)
      } catch { queue.endOfInput(error) }
    }
    guard let splitter else { throw DecodingWorkers.noThread }
    self.splitter = splitter
  }

  deinit {
    stop?.raise()
    queue.cancel()
    // No workers start once it has ended.
    splitter.join()
    workers.join()
  }

  /// Decodes pieces until there are none.
  private static func work(_ queue: PieceQueue<Piece>, _ decoder: () throws -> Decode) {
    var decode: Decode?
    while let job = queue.take() {
      do {
        let made = try decode ?? decoder()
        decode = made
        try made(job.piece, PieceOutput(queue: queue, ticket: job.ticket))
        queue.finish(job.ticket)
      } catch { queue.finish(job.ticket, error) }
    }
  }

  package func read(into buffer: inout MutableRawSpan) throws -> Int {
    if let failure { throw failure }
    var done = 0
    while done < buffer.byteCount {
      guard let chunk = try currentChunk() else { break }
      let count = min(chunk.count - position, buffer.byteCount - done)
      chunk.withBytes(position, count) { buffer.copy($0, at: done) }
      position += count
      done += count
      if position == chunk.count { recycleChunk() }
    }
    return done
  }

  package func exchange(_ buffer: inout Buffer, count: Int) throws -> Bool {
    if let failure { throw failure }
    guard let chunk = try currentChunk(), position == 0, chunk.count == count, chunk.exchange(&buffer) else {
      return false
    }
    recycleChunk()
    return true
  }

  /// Gives the chunk, all of which has been read, back to be filled again.
  private func recycleChunk() {
    guard let chunk else { return }
    self.chunk = nil
    queue.recycle(chunk)
  }

  /// The chunk to read from; nil at the end.
  private func currentChunk() throws -> Chunk? {
    while chunk == nil {
      switch queue.next() {
      case .chunk(let next):
        if let sequence { next.withBytes(0, next.count) { sequence.pass($0) } }
        chunk = next
        position = 0
      case .finished(let piece):
        if let piece { try failing { try sequence?.finish(piece) } }
      case .failed(let error, let piece, let next):
        guard let piece, let next, let joined = sequence?.join(piece, next) else { return try failing { throw error } }
        queue.replaceFirstTwo(by: joined)
      case .end: return nil
      }
    }
    return chunk
  }

  /// Runs `body` and remembers the error it throws, since nothing can be read after it.
  private func failing<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch {
      failure = error
      queue.cancel()
      throw error
    }
  }
}

/// Reads a stream on a thread of its own, up to 4 MiB ahead of the caller.
package func readingAhead(_ stream: any ByteStream, stop: StopFlag? = nil) throws -> any ByteStream {
  let stream = Unshared(stream)
  return try OrderedPipeline<Never>(
    workers: 0, memory: 4 << 20, stop: stop, decoder: { { _, _ in } },
    split: { try $0.append(contentsOf: stream.value) })
}

/// A stream that says how much memory waits inside it.
package protocol BoundedMemory: AnyObject {
  /// Bytes of pieces and decoded chunks that are held.
  var held: Int { get }
}

extension OrderedPipeline: BoundedMemory {
  package var held: Int { queue.state.update { $0.held } }
}
