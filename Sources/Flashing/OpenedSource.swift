import BlockIO
package import Images
import SystemPackage

/// An image opened from its name.
package struct OpenedSource {
  package let name: String
  package let image: Image
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
    notes = []
    files = [ImageFile(path: path, status: file.status)] + image.files
  }

  private static func head(of source: any BlockSource) throws -> [UInt8] {
    var head = [UInt8](repeating: 0, count: Int(min(source.byteCount, 65536)))
    var span = head.mutableSpan
    var bytes = unsafe span.mutableBytes
    try source.read(at: 0, into: &bytes)
    return head
  }
}
