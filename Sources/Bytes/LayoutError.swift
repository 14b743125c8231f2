/// An on-disk structure that its bytes do not describe: too short, or a field out of range.
package struct LayoutError: Error, Hashable, CustomStringConvertible {
  /// Byte offset of the field inside the structure.
  package let offset: Int
  /// What is wrong, as a clause that fits after "the header is damaged:".
  package let detail: String

  package init(_ detail: String, at offset: Int = 0) {
    self.detail = detail
    self.offset = offset
  }

  package var description: String { detail }
}

extension RawSpan {
  /// Throws unless the span holds at least `count` bytes, so that loads below `count` cannot trap.
  package func require(_ count: Int, of structure: @autoclosure () -> String) throws(LayoutError) {
    guard byteCount >= count else {
      throw LayoutError("the \(structure()) needs \(count) bytes and \(byteCount) are there", at: byteCount)
    }
  }
}
