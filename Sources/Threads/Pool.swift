/// Things that are dear to make, such as decoders, lent to one thread at a time.
package final class Pool<Element: AnyObject>: @unchecked Sendable {
  // Unchecked: an element is reachable either from `idle`, under the lock, or by the one thread it is lent to.
  private let idle = Monitor<[Element]>([])
  private let make: @Sendable () throws -> Element

  package init(_ make: @escaping @Sendable () throws -> Element) { self.make = make }

  /// Lends an element to `body`, an idle one if there is one.
  package func withElement<Result>(_ body: (Element) throws -> Result) throws -> Result {
    let element = try take()
    defer { giveBack(element) }
    return try body(element)
  }

  /// Lends an element, an idle one if there is one, until `giveBack`: for bodies that no closure can hold.
  package func take() throws -> Element { try idle.update { Box($0.popLast()) }.element ?? make() }

  /// Takes a lent element back.
  package func giveBack(_ element: Element) { idle.update { [box = Box(element)] in $0.append(box.element) } }

  private struct Box<Value>: @unchecked Sendable {
    let element: Value
    init(_ element: Value) { self.element = element }
  }
}
