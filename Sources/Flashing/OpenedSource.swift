import BlockIO
import Bytes
import Codecs
import Glibc
package import Images
import SystemPackage

/// An image opened from its name: a file, a block device or standard input, compressed or not.
package struct OpenedSource {
  package let name: String
  package let image: Image
  /// What is copied: the image's own contents, or what they were unpacked to.
  package private(set) var content: Image.Content
  /// The compression's name; nil if there is none.
  package let codec: String?
  /// Size in bytes of the file that was opened; nil for a pipe.
  package let storedSize: UInt64?
  /// Sentences for the user about how it is read.
  package let notes: [String]
  /// Every file that the image is read from, so that none becomes its own target.
  package let files: [ImageFile]

  /// Opens the image that `request` names; `say` hears of an image that has to be unpacked first.
  package init(_ request: SourceRequest, progress: JobProgress, say: (String) -> Void) throws {
    let input = try Input(request.name)
    name = input.name
    let forced = try request.format.map(Self.format(named:))
    let codec = forced == nil ? unsafe Codec.detect(input.head.span.bytes) : nil
    self.codec = codec?.name
    storedSize = input.file?.byteCount
    var files = input.files

    var bytes = input.bytes
    var head = input.head
    if let codec {
      let decoded = try codec.open(input.stream, name: name, options: DecodingOptions(workers: request.workers ?? 2))
      let sniffed = try SniffedStream(decoded)
      head = sniffed.head
      bytes = .stream(sniffed)
    }
    guard !head.isEmpty else {
      throw ImageError(.damaged, format: codec?.name ?? "raw", file: name, "the image is empty; nothing was written")
    }
    let format = forced ?? ImageFormat.detect(unsafe head.span.bytes)
    if case .stream(let stream) = bytes, !format.isStreamable {
      say("\(name): \(format.name) needs random access, so it is unpacked to a temporary file first")
      bytes = .file(try Spool.disk(of: RawStream(stream), progress: progress))
    }
    do {
      image = try format.open(ImageInput(bytes: bytes, path: input.path, options: request.options))
    } catch let error as IOError { throw SourceUnreadable(error) }
    content = image.content
    notes = []
    files += image.files
    self.files = files
  }

  /// Size in bytes of the sectors of the device that is the image; nil for files.
  var sectorSize: Int? {
    guard codec == nil, image.format == ImageFormat.raw.name, let device = files.first?.device, device != 0 else {
      return nil
    }
    let (major, minor) = FileStatus.numbers(of: device)
    return BlockDevice(major: major, minor: minor)?.sectorSize
  }

  private static func format(named name: String) throws -> ImageFormat {
    guard let format = ImageFormat.named(name) else {
      let known = ImageFormat.all.map(\.name).joined(separator: ", ")
      throw RequestError("there is no format '\(name)'; there are \(known)")
    }
    return format
  }

  /// Unpacks an image that can only be read front to back, so that any part of it can be read.
  package mutating func makeRandomAccess(progress: JobProgress, say: (String) -> Void) throws {
    guard case .stream(let stream) = content else { return }
    say("\(name) can only be read front to back: it is unpacked to a temporary file first")
    content = .disk(try Spool.disk(of: stream, progress: progress))
  }
}

/// The bytes that an image's name stands for.
private struct Input {
  let name: String
  /// Nil for standard input.
  let path: FilePath?
  /// A seekable file or device.
  let file: FileSource?
  let bytes: ImageInput.Bytes
  let head: [UInt8]
  let files: [ImageFile]

  init(_ given: String) throws {
    name = given == "-" ? "standard input" : given
    let named: FilePath = given == "-" ? "/dev/stdin" : FilePath(given)
    path = given == "-" ? nil : named
    do {
      let status = try FileStatus.of(named)
      switch status.kind {
      case .regular, .blockDevice:
        let file = try FileSource(named)
        self.file = file
        bytes = .file(file)
        files = [ImageFile(path: named, status: file.status)]
        head = try Self.head(of: file)
      case .fifo, .socket, .characterDevice:
        guard given == "-" || status.kind == .fifo else {
          throw IOError("open (neither a regular file nor a block device)", named, .invalidArgument)
        }
        guard given != "-" || isatty(STDIN_FILENO) == 0 else {
          throw RequestError("standard input is a terminal: pipe the image into it")
        }
        let stream = try SniffedStream(FileByteStream(Self.open(given, named)))
        file = nil
        bytes = .stream(stream)
        files = []
        head = stream.head
      default: throw IOError("open (neither a file, a block device nor a pipe)", named, .invalidArgument)
      }
    } catch let error as IOError { throw SourceUnreadable(error) }
  }

  private static func open(_ given: String, _ path: FilePath) throws -> OpenFile {
    if given == "-" { return OpenFile(adopting: dup(STDIN_FILENO), path: "standard input") }
    return try OpenFile(path, .readOnly)
  }

  /// The bytes front to back.
  var stream: any ByteStream {
    switch bytes {
    case .file(let file): SourceByteStream(file)
    case .stream(let stream): stream
    }
  }

  private static func head(of source: any BlockSource) throws -> [UInt8] {
    var head = [UInt8](repeating: 0, count: Int(min(source.byteCount, 65536)))
    var span = head.mutableSpan
    var bytes = unsafe span.mutableBytes
    try source.read(at: 0, into: &bytes)
    return head
  }
}

/// A stream whose first 64 KiB were looked at and come again.
final class SniffedStream: ByteStream {
  private let rest: any ByteStream
  /// The first 64 KiB, or all of a shorter stream.
  let head: [UInt8]
  private var replayed = 0

  init(_ stream: any ByteStream) throws {
    rest = stream
    var buffer = Buffer(count: 65536)
    let count = try buffer.fill { try stream.read(into: &$0) }
    head = buffer.prefix(count).array
  }

  func read(into buffer: inout MutableRawSpan) throws -> Int {
    guard replayed < head.count else { return try rest.read(into: &buffer) }
    let count = min(buffer.byteCount, head.count - replayed)
    let bytes = head  // a span cannot borrow from a class's property
    buffer.copy(unsafe bytes.span.bytes.slice(replayed, count), at: 0)
    replayed += count
    guard count < buffer.byteCount, head.count == 65536 else { return count }
    var tail = buffer.mutableSlice(count, buffer.byteCount - count)
    return count + (try rest.read(into: &tail))
  }
}
