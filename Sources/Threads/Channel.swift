import DequeModule

/// A bounded queue between threads; a full one makes its sender wait, which is the pipeline's back-pressure.
package final class Channel<Element: ~Copyable & Sendable>: Sendable {
  private struct Queue: ~Copyable {
    var elements: RigidDeque<Element>
    var isClosed = false
  }

  private let queue: Monitor<Queue>

  package init(capacity: Int) {
    queue = Monitor(Queue(elements: RigidDeque(capacity: capacity)))
  }

  /// Hands `element` to a receiver; false, and the element is dropped, once the channel is closed.
  @discardableResult
  package func send(_ element: consuming Element) -> Bool {
    var element = Optional(element)
    return queue.update(when: { !$0.elements.isFull || $0.isClosed }) { queue in
      guard !queue.isClosed, let element = element.take() else { return false }
      queue.elements.append(element)
      return true
    }
  }

  /// The next element, or nil once the channel is closed and drained.
  package func receive() -> Element? {
    queue.update(when: { !$0.elements.isEmpty || $0.isClosed }) { $0.elements.popFirst() }
  }

  /// Ends the sending; receivers drain what is queued.
  package func close() {
    queue.update { $0.isClosed = true }
  }

  /// Ends the sending and drops what is queued, so that receivers stop at once.
  package func cancel() {
    queue.update { queue in
      queue.isClosed = true
      while queue.elements.popFirst() != nil {}
    }
  }
}
