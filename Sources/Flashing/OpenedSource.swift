package import BlockIO
import Bytes
import Clonezilla
import Codecs
import Glibc
package import Images
import Partitions
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

  /// Opens the image that `request` names, which may be a Clonezilla folder or a partition in one; `say` hears of an
  /// image that has to be unpacked first.
  package init(_ request: SourceRequest, progress: JobProgress, say: (String) -> Void) throws {
    do {
      switch try FolderSource.find(request) {
      case nil:
        let file = FileToOpen(
          name: request.name, format: try request.format.map(Self.format(named:)),
          decompresses: request.format == nil)
        try self.init(file, request, progress: progress, say: say)
      case .partition(let folder, let disk, let partition)?:
        let size = try disk.size(of: partition, in: folder)
        try self.init(partition, size: size, in: folder, request, progress: progress, say: say)
      case .disk(let folder, let disk)?: try self.init(disk, in: folder, request)
      }
    } catch let error as IOError { throw SourceUnreadable(error) }
  }

  /// A file and what is known of it before it is opened.
  struct FileToOpen {
    let name: String
    /// The format; nil: by contents.
    let format: ImageFormat?
    let decompresses: Bool
    /// Sees the file's bytes as they are read.
    var tap: (any ByteTap)?
  }

  /// Opens `file`.
  init(_ file: FileToOpen, _ request: SourceRequest, progress: JobProgress, say: (String) -> Void) throws {
    guard file.name != "-" || isatty(STDIN_FILENO) == 0 else {
      throw RequestError("standard input is a terminal: pipe the image into it")
    }
    var options = DecodingOptions(workers: request.workers ?? Self.decoders)
    options.tap = file.tap
    let joined = try InputFile.open(
      FilePath(file.name), decompressing: file.decompresses, options: options, isImage: Self.isImage)
    let input = try Self.withoutVolumesJoined(joined, file, options)
    name = input.name
    codec = input.codec?.name
    storedSize = input.storedSize
    guard !input.head.isEmpty else {
      throw ImageError(.damaged, format: input.codec?.name ?? "raw", file: input.name, "the image is empty")
    }
    let format = file.format ?? ImageFormat.detect(unsafe input.head.span.bytes)
    let bytes = try Self.bytes(of: input, for: format, progress: progress, say: say)
    progress.watch(input)
    image = try format.open(ImageInput(bytes: bytes, path: input.path, options: request.options))
    content = image.content
    files = Self.files(of: joined) + image.files
    let pieces = input.parts.count
    notes = pieces > 1 ? ["\(input.name): \(pieces) pieces, \(describeSize(input.storedSize ?? 0)) in all"] : []
  }

  /// Threads that decode: one for each core, 2 at least, and no more than 8, since each may hold decoded bytes.
  private static var decoders: Int { min(max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 2), 8) }

  /// Something that was put together rather than opened.
  init(name: String, image: Image, content: Image.Content, like source: OpenedSource? = nil, files: [ImageFile] = []) {
    self.name = name
    self.image = image
    self.content = content
    codec = source?.codec
    storedSize = source?.storedSize
    notes = source?.notes ?? []
    self.files = source?.files ?? files
  }

  /// Whether a file starts as an image does: a format's signature, a partition table or a filesystem.
  ///
  /// A volume does not count, since a later one starts so too.
  private static func isImage(_ file: any BlockSource) throws -> Bool {
    var buffer = Buffer(count: Int(min(file.byteCount, UInt64(InputFile.headSize))))
    let count = try buffer.fill { span in
      try file.read(at: 0, into: &span)
      return span.byteCount
    }
    let format = ImageFormat.detect(buffer.prefix(count))
    guard format.name == ImageFormat.raw.name else { return !format.hasVolumes }
    do {
      return try PartitionTable.read(from: file) != nil || FilesystemSignature.probe(file) != nil
    } catch is ImageError {
      // A damaged table is a table.
      return true
    }
  }

  /// The first file alone where what looked like pieces are volumes, which the format puts together by itself.
  private static func withoutVolumesJoined(
    _ joined: InputFile, _ file: FileToOpen, _ options: DecodingOptions
  ) throws -> InputFile {
    guard joined.parts.count > 1 else { return joined }
    let format = file.format ?? ImageFormat.detect(unsafe joined.head.span.bytes)
    guard format.hasVolumes else { return joined }
    let second = try InputFile.open(joined.parts[1].path, joining: false, options: options)
    guard format.probe(unsafe second.head.span.bytes) else { return joined }
    return try InputFile.open(joined.parts[0].path, decompressing: file.decompresses, joining: false, options: options)
  }

  /// The image's bytes in a shape that `format` can read.
  private static func bytes(
    of input: InputFile, for format: ImageFormat, progress: JobProgress, say: (String) -> Void
  ) throws -> ImageInput.Bytes {
    switch input.content {
    case .disk(let disk): return .file(disk)
    case .stream(let stream):
      guard !format.isStreamable else { return .stream(stream) }
      say("\(input.name): \(format.name) needs random access, so it is unpacked to a temporary file first")
      progress.watch(input)
      return .file(try Spool.disk(of: RawStream(stream), progress: progress))
    }
  }

  /// The files that are read, standard input among them where it is one.
  private static func files(of input: InputFile) -> [ImageFile] {
    var files = input.parts.map { ImageFile(path: $0.path, status: $0.status) }
    if input.parts.isEmpty, let status = try? FileStatus.of("/dev/stdin") {
      files.append(ImageFile(path: "/dev/stdin", status: status))
    }
    return files
  }

  /// Size in bytes of the sectors of the device that is the image; nil for files.
  package var sectorSize: Int? {
    guard codec == nil, image.format == ImageFormat.raw.name, let device = files.first?.device, device != 0 else {
      return nil
    }
    let (major, minor) = FileStatus.numbers(of: device)
    return BlockDevice(major: major, minor: minor)?.sectorSize
  }

  static func format(named name: String) throws -> ImageFormat {
    guard let format = ImageFormat.named(name) else {
      let known = ImageFormat.all.map(\.name).joined(separator: ", ")
      throw RequestError("there is no format '\(name)'; there are \(known)")
    }
    return format
  }

  /// The disk at any offset, for looking inside: unpacked to a temporary file only where the format gives no way into the
  /// image as it is.
  package mutating func browse(progress: JobProgress, say: (String) -> Void) throws -> any BlockSource {
    if case .stream = content, let disk = image.browsable {
      say("\(name): checksums that run through the whole image are not compared where only parts of it are read")
      return disk
    }
    do { try makeRandomAccess(progress: progress, say: say) } catch let error as IOError {
      throw SourceUnreadable(error)
    }
    guard case .disk(let disk) = content else {
      throw ImageError(.unsupported, format: image.format, file: name, "the image cannot be read at any offset")
    }
    return disk
  }

  /// Unpacks an image that can only be read front to back, so that any part of it can be read.
  package mutating func makeRandomAccess(progress: JobProgress, say: (String) -> Void) throws {
    guard case .stream(let stream) = content else { return }
    say("\(name) can only be read front to back: it is unpacked to a temporary file first")
    content = .disk(try Spool.disk(of: stream, progress: progress))
  }
}
