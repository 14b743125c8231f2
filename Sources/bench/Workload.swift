import ArgumentParser
import BlockIO
import Codecs
import Flow
import Images
import SystemPackage

/// An image to read, and perhaps a device to write it to.
struct Workload {
  let image: String
  let target: String?

  /// Threads that decode a stream, as the tools start them.
  static let decoders = 2

  /// The image's contents, read as the tools read them.
  func content(_ decoding: DecodingOptions = DecodingOptions(workers: decoders)) throws -> Image.Content {
    let input = try InputFile.open(FilePath(image), options: decoding)
    let format = ImageFormat.detect(unsafe input.head.span.bytes)
    let bytes: ImageInput.Bytes =
      switch input.content {
      case .disk(let disk): .file(disk)
      case .stream(let stream): .stream(stream)
      }
    return try format.open(ImageInput(bytes: bytes, path: input.path)).content
  }

  /// The image as a disk.
  func disk() throws -> any BlockSource {
    guard case .disk(let disk) = try content() else { throw ValidationError("\(image) is no disk to read at random") }
    return disk
  }

  /// The device, opened for this process alone.
  func device(direct: Bool = true) throws -> DeviceTarget {
    guard let target else { throw ValidationError("this technique needs --target") }
    return try DeviceTarget(FilePath(target), direct: direct)
  }

  /// A new file in place of the target, for `disk`.
  func newFile(of disk: any BlockSource, shortestDirect: Int = 256 << 10) throws -> FileTarget {
    guard let target else { throw ValidationError("this technique needs --target") }
    let file = try OpenFile(FilePath(target), .readWrite, options: [.create, .truncate], permissions: .ownerReadWrite)
    let new = FileTarget(file, byteCount: disk.byteCount, direct: true, shortestDirect: shortestDirect)
    try new.empty()
    return new
  }

  /// Copies `content` to `target` and flushes it.
  func copy(_ content: Image.Content, to target: any BlockTarget, _ options: CopyOptions? = nil) throws {
    let options = options ?? CopyOptions(workers: Self.decoders + 1)
    switch content {
    case .disk(let disk): try Flow.copy(disk, to: target, options: options, progress: Progress())
    case .stream(let stream): _ = try Flow.copy(stream, to: target, options: options, progress: Progress())
    }
    try target.flush()
  }
}
