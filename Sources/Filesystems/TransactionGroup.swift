/// Whether the transactions of a volume wait for each other's commit, as those of a group do.
package final class TransactionGroup {
  /// Whether a group is open.
  package private(set) var isOpen = false

  package init() {}

  /// Opens a group until `body` ends, and commits what waits then, also if `body` throws; a group within a group is a
  /// part of it.
  package func run<Result>(_ body: () throws -> Result, commit: () throws -> Void) throws -> Result {
    guard !isOpen else { return try body() }
    isOpen = true
    defer { isOpen = false }
    let result: Result
    do { result = try body() } catch {
      // Whole as they are; a medium that fails will fail here too.
      try? commit()
      throw error
    }
    try commit()
    return result
  }
}
