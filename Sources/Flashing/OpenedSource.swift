import BlockIO
package import Images
import SystemPackage

/// An image opened from its name.
package struct OpenedSource {
  package let name: String
  package let image: Image
  /// What is copied: the image's own contents, or what they were unpacked to.
  package private(set) var content: Image.Content
  /// Sentences for the user about how it is read.
  package let notes: [String]
  /// Every file that the image is read from, so that none becomes its own target.
  package let files: [ImageFile]

  /// Opens the image that `request` names.
  package init(_ request: SourceRequest, progress: JobProgress) throws {
    name = request.name
    let path = FilePath(request.name)
    let file: FileSource
    do { file = try FileSource(path) } catch { throw SourceUnreadable(error) }
    let head = try Self.head(of: file)
    let format: ImageFormat
    if let name = request.format {
      guard let named = ImageFormat.named(name) else {
        throw ImageError(.unsupported, format: name, "there is no format of this name")
      }
      format = named
    } else {
      format = ImageFormat.detect(unsafe head.span.bytes)
    }
    image = try format.open(ImageInput(bytes: .file(file), path: path, options: request.options))
    content = image.content
    notes = []
    files = [ImageFile(path: path, status: file.status)] + image.files
  }

  /// Unpacks an image that can only be read front to back, so that any part of it can be read.
  package mutating func makeRandomAccess(progress: JobProgress, say: (String) -> Void) throws {
    guard case .stream(let stream) = content else { return }
    say("\(name) can only be read front to back: it is unpacked to a temporary file first")
    content = .disk(try Spool.disk(of: stream, progress: progress))
  }

  private static func head(of source: any BlockSource) throws -> [UInt8] {
    var head = [UInt8](repeating: 0, count: Int(min(source.byteCount, 65536)))
    var span = head.mutableSpan
    var bytes = unsafe span.mutableBytes
    try source.read(at: 0, into: &bytes)
    return head
  }
}
