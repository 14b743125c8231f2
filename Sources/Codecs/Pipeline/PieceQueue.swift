import DequeModule
import Threads

/// The shared part of an ordered pipeline: pieces in stream order, what they have decoded to so far, and who waits.
///
/// Memory is bounded: pieces and chunks, being filled or waiting, count against `memory`, and whoever would go above it
/// waits, except for the piece that the reader is at, which may always have two chunks, so that nothing can lock up.
/// Chunks kept for the next use count as well.
package final class PieceQueue<Piece: Sendable>: Sendable {
  /// One piece's place in the order.
  struct Slot {
    let ticket: UInt64
    /// What is to be decoded; nil where the splitter decodes by itself.
    var piece: Piece?
    /// Compressed bytes that the piece holds.
    var cost: Int
    var isTaken = false
    var chunks: Deque<Chunk> = []
    /// Capacity of the chunks that are being filled, in bytes, and how many they are.
    var filling = (byteCount: 0, count: 0)
    var hasDelivered = false
    var isDone = false
    var failure: (any Error)?
  }

  struct State {
    var slots: Deque<Slot> = []
    var nextTicket: UInt64 = 0
    var held = 0
    /// Chunks to be used again: what is freed by another thread than the one that took it stays with the allocator.
    var spare: [Chunk] = []
    var isFed = false
    var isCancelled = false

    /// Whether the piece that the reader is at, which was joined, waits for a worker: each that is at a later piece has to
    /// come to its end for that, whatever it holds.
    var isFirstWaiting: Bool { slots.first.map { $0.piece != nil && !$0.isTaken } ?? false }

    func index(of ticket: UInt64) -> Int? { slots.firstIndex { $0.ticket == ticket } }
  }

  /// A piece for a worker.
  struct Job {
    let ticket: UInt64
    let piece: Piece
  }

  /// What the reader meets next.
  enum Delivery {
    case chunk(Chunk)
    /// All of a piece has been delivered.
    case finished(Piece?)
    /// A piece cannot be decoded and has delivered nothing; `next` is the one after it, if there is one.
    case failed((any Error), Piece?, next: Piece?)
    case end
  }

  let memory: Int
  let slotLimit: Int
  let state = Monitor(State())

  init(memory: Int, slotLimit: Int) {
    self.memory = memory
    self.slotLimit = slotLimit
  }

  /// Wakes everybody and makes them stop.
  func cancel() {
    state.update {
      $0.isCancelled = true
      $0.slots.removeAll()
      $0.spare.removeAll()
    }
  }

  // MARK: The splitter's side

  /// Puts a piece, or a place for what the splitter decodes itself, at the end; throws once cancelled.
  func add(_ piece: Piece?, cost: Int) throws -> UInt64 {
    let ticket: UInt64? = state.update(when: {
      $0.isCancelled || $0.slots.isEmpty || $0.held + cost <= memory && $0.slots.count < slotLimit
    }) { state in
      guard !state.isCancelled else { return nil }
      state.nextTicket += 1
      state.held += cost
      state.slots.append(Slot(ticket: state.nextTicket, piece: piece, cost: cost))
      return state.nextTicket
    }
    guard let ticket else { throw Cancelled() }
    return ticket
  }

  /// Ends the input, with an error or without.
  func endOfInput(_ failure: (any Error)?) {
    let failure = failure.map { Unshared($0) }
    state.update { state in
      state.isFed = true
      guard let failure, !state.isCancelled else { return }
      state.nextTicket += 1
      state.slots.append(
        Slot(ticket: state.nextTicket, piece: nil, cost: 0, isTaken: true, isDone: true, failure: failure.value))
    }
  }

  // MARK: The workers' side

  /// The oldest piece that nobody has taken; nil when there will be none.
  func take() -> Job? {
    state.update(when: { state in
      // Until all has been read, a failed piece may come back joined to the next one.
      state.isCancelled || state.isFed && state.slots.isEmpty
        || state.slots.contains { !$0.isTaken && $0.piece != nil }
    }) { state in
      guard let index = state.slots.firstIndex(where: { !$0.isTaken && $0.piece != nil }) else { return nil }
      guard let piece = state.slots[index].piece else { return nil }
      state.slots[index].isTaken = true
      return Job(ticket: state.slots[index].ticket, piece: piece)
    }
  }

  /// An empty chunk for a piece, a used one if there is one of that size; waits for room, and throws once nobody wants
  /// what would be in it.
  func chunk(_ capacity: Int, for ticket: UInt64) throws -> Chunk {
    let found = state.update(when: { state in
      guard !state.isCancelled, let index = state.index(of: ticket) else { return true }
      return state.held + capacity <= memory
        || index == 0 && state.slots[0].chunks.count + state.slots[0].filling.count < 2
        || state.isFirstWaiting
    }) { state -> Unshared<(isWanted: Bool, chunk: Chunk?)> in
      guard !state.isCancelled, let index = state.index(of: ticket) else { return Unshared((false, nil)) }
      state.held += capacity
      state.slots[index].filling.byteCount += capacity
      state.slots[index].filling.count += 1
      let spare = state.spare.lastIndex { $0.capacity == capacity }
      // One of another size gives way to a new one.
      if spare == nil, !state.spare.isEmpty { state.spare.removeFirst() }
      return Unshared((true, spare.map { state.spare.remove(at: $0) }))
    }
    guard found.value.isWanted else { throw Cancelled() }
    return found.value.chunk ?? Chunk(capacity: capacity)
  }

  /// Appends decoded bytes to a piece; throws once nobody wants them.
  func append(_ chunk: Chunk, to ticket: UInt64) throws {
    let isWanted = state.update { state in
      guard !state.isCancelled, let index = state.index(of: ticket) else { return false }
      state.slots[index].filling.byteCount -= chunk.capacity
      state.slots[index].filling.count -= 1
      state.slots[index].chunks.append(chunk)
      return true
    }
    guard isWanted else { throw Cancelled() }
  }

  /// Ends a piece, with an error or without.
  func finish(_ ticket: UInt64, _ failure: (any Error)? = nil) {
    let failure = Unshared(failure)
    state.update { state in
      guard let index = state.index(of: ticket) else { return }
      state.slots[index].isDone = true
      // What was begun and not handed on is gone.
      state.held -= state.slots[index].filling.byteCount
      state.slots[index].filling = (0, 0)
      state.slots[index].failure = failure.value
    }
  }

  // MARK: The reader's side

  /// What comes next in the stream's order.
  func next() -> Delivery {
    let delivery = state.update(when: { state in
      guard let first = state.slots.first else { return state.isFed || state.isCancelled }
      guard first.chunks.isEmpty else { return true }
      // A failed piece may have to be joined to the next one.
      return first.isDone && (first.failure == nil || first.piece == nil || state.slots.count > 1 || state.isFed)
    }) { state -> Unshared<Delivery> in
      guard let first = state.slots.first else { return Unshared(.end) }
      if let chunk = state.slots[0].chunks.popFirst() {
        state.slots[0].hasDelivered = true
        return Unshared(.chunk(chunk))
      }
      if let failure = first.failure {
        return Unshared(
          .failed(failure, first.hasDelivered ? nil : first.piece, next: state.slots.dropFirst().first?.piece))
      }
      state.held -= first.cost
      state.slots.removeFirst()
      return Unshared(.finished(first.piece))
    }
    return delivery.value
  }

  /// Takes back a chunk that the reader is done with.
  func recycle(_ chunk: Chunk) {
    chunk.count = 0
    state.update { state in
      state.held -= chunk.capacity
      let spare = state.spare.reduce(chunk.capacity) { $0 + $1.capacity }
      if !state.isCancelled && spare + state.held <= memory { state.spare.append(chunk) }
    }
  }

  /// Replaces the first two pieces by one to be decoded anew.
  func replaceFirstTwo(by piece: Piece) {
    state.update { state in
      guard state.slots.count >= 2 else { return }
      let cost = state.slots[0].cost + state.slots[1].cost
      // A worker may be at the second one still: what it makes is not wanted any more.
      state.held -= state.slots[1].chunks.reduce(0) { $0 + $1.capacity } + state.slots[1].filling.byteCount
      state.slots.removeFirst(2)
      state.nextTicket += 1
      state.slots.prepend(Slot(ticket: state.nextTicket, piece: piece, cost: cost))
    }
  }
}

/// The reader has gone away, so that the work is not wanted any more.
struct Cancelled: Error {}

/// A value that moves between threads under a lock and is not shared.
struct Unshared<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
