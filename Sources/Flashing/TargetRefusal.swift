/// A target that must not be written, and why, in a sentence.
package struct TargetRefusal: Error, Sendable, CustomStringConvertible {
  package let description: String
  package init(_ description: String) { self.description = description }
}
