package import Flow
package import Images

/// What to write, where, and how: a flash as its command line says it.
package struct FlashRequest: Sendable {
  package var source: SourceRequest
  /// The target's name; `-` is standard output.
  package var target: String
  /// Read back afterwards; nil: block devices yes, regular files no.
  package var verifies: Bool?
  package var policy = CopyPolicy()
  /// Threads that read, decode and write; nil: chosen for the machine.
  package var workers: Int?
  /// Look and check, but write nothing.
  package var isDryRun = false

  package init(source: SourceRequest, target: String) {
    self.source = source
    self.target = target
  }
}

/// Which image to read, and how.
package struct SourceRequest: Sendable {
  /// The image's name; `-` is standard input.
  package var name: String
  /// The format's name, instead of looking at the contents.
  package var format: String?
  package var options = ImageOptions()

  package init(_ name: String) { self.name = name }
}
