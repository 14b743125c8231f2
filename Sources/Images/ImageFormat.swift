/// A kind of image file: how to recognise one and how to open it.
///
/// To add a format, add a folder with a `static let` like ``raw`` and name it in ``all``.
package struct ImageFormat: Sendable {
  /// The name that `--format` takes and `info` shows.
  package let name: String
  /// Whether a file that starts with `head` (its first 64 KiB, or all of it) is of this format.
  package let probe: @Sendable (_ head: RawSpan) -> Bool
  /// Whether the format can be decoded in one forward pass, from a pipe or a decompressor.
  package let isStreamable: Bool
  /// Whether an image may come in volumes, each with a header of its own, which the format finds by their names; such
  /// files are not pieces to be joined.
  package let hasVolumes: Bool
  /// Opens an image; throws `ImageError` or `IOError`.
  package let open: @Sendable (_ input: ImageInput) throws -> Image

  package init(
    name: String, isStreamable: Bool, hasVolumes: Bool = false, probe: @escaping @Sendable (_ head: RawSpan) -> Bool,
    open: @escaping @Sendable (_ input: ImageInput) throws -> Image
  ) {
    self.name = name
    self.isStreamable = isStreamable
    self.hasVolumes = hasVolumes
    self.probe = probe
    self.open = open
  }
}

extension ImageFormat {
  /// Every format, most specific magic first; raw takes what is left.
  package static let all: [ImageFormat] = [.qcow2, .partclone, .ntfsclone, .partimage, .raw]

  /// The format called `name`.
  package static func named(_ name: String) -> ImageFormat? { all.first { $0.name == name } }

  /// The format of a file that starts with `head`.
  package static func detect(_ head: RawSpan) -> ImageFormat {
    for format in all where format.probe(head) { return format }
    return .raw
  }
}
