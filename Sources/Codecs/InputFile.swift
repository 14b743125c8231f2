package import BlockIO
import Bytes
import Glibc
package import SystemPackage

/// What an image is read from: a file, device, split set, pipe or standard input, decompressed if it is compressed.
package struct InputFile {
  /// The bytes of the image.
  package enum Content {
    /// Any offset, any thread: what is stored, which is not compressed.
    case disk(any BlockSource)
    /// One pass from the first byte: a pipe, or what a compressed file decodes to.
    case stream(any ByteStream)
  }

  /// A file on disk that is read.
  package struct Part: Sendable {
    package let path: FilePath
    package let status: FileStatus
  }

  /// The size of ``head``, in bytes, where there is that much.
  package static let headSize = 64 << 10

  package let content: Content
  /// The first bytes of the image, decompressed; `content` has them too.
  package let head: [UInt8]
  /// How the input is compressed, if it is.
  package let codec: Codec?
  /// The name that was given; nil for standard input.
  package let path: FilePath?
  /// The file, or a split set's pieces in order; empty for standard input.
  package let parts: [Part]
  /// Stored, compressed bytes; nil for a pipe.
  package let storedSize: UInt64?
  /// Stored bytes that have been read of a stream, for progress; not counted for a disk.
  package let consumed: ByteCounter

  /// The name to show.
  package var name: String { path?.string ?? "standard input" }

  /// Opens `path`, or standard input for `-`, and finds out by content whether it is compressed.
  ///
  /// Any piece of a split set stands for the set. Throws `IOError` where the file cannot be read, and `ImageError`
  /// where a piece is missing, the compression is one that is refused, or the first bytes do not decode. Without
  /// `decompressing` the bytes are taken as they are; without `joining` a piece stands for itself. `isImage` says whether
  /// uncompressed contents start as an image does, so that a file is not taken for a later piece for its name alone.
  package static func open(
    _ path: FilePath, decompressing: Bool = true, joining: Bool = true, options: DecodingOptions = DecodingOptions(),
    isImage: (any BlockSource) throws -> Bool = { _ in false }
  ) throws -> InputFile {
    var options = options
    options.decompresses = decompressing
    let stop = options.stop ?? StopFlag()
    options.stop = stop
    if path == "-" { return try InputFile(standardInput(stop), path: nil, parts: [], options) }
    let status = try FileStatus.of(path)
    switch status.kind {
    case .regular:
      if joining, let set = try SplitSet.open(path, isWhole: { try Codec.isCompressed($0) || isImage($0) }) {
        let parts = set.pieces.map { Part(path: $0.path, status: $0.status) }
        return try InputFile(.disk(set), path: path, parts: parts, options)
      }
      fallthrough
    case .blockDevice, .directory:
      let file = try FileSource(path)
      return try InputFile(.disk(file), path: path, parts: [Part(path: path, status: file.status)], options)
    case .characterDevice, .other:
      throw IOError("open (neither a file, a block device nor a pipe)", path, .invalidArgument)
    case .fifo, .socket:
      let stream = PipeByteStream(try OpenFile(path, .readOnly), stop: stop)
      return try InputFile(.stream(stream), path: path, parts: [], options)
    }
  }

  /// Standard input: a file or device at its start is a disk, anything else a stream.
  private static func standardInput(_ stop: StopFlag) throws -> Content {
    let name: FilePath = "standard input"
    let descriptor = fcntl(0, F_DUPFD_CLOEXEC, 3)
    guard descriptor >= 0 else { throw IOError("dup", name, Errno(rawValue: errno)) }
    let file = OpenFile(adopting: descriptor, path: name)
    let kind = try file.status().kind
    guard kind == .regular || kind == .blockDevice, lseek(descriptor, 0, SEEK_CUR) == 0 else {
      return .stream(PipeByteStream(file, stop: stop))
    }
    return .disk(try FileSource(file))
  }

  private init(_ stored: Content, path: FilePath?, parts: [Part], _ options: DecodingOptions) throws {
    self.path = path
    self.parts = parts
    let consumed = ByteCounter()
    self.consumed = consumed
    let name = path?.string ?? "standard input"
    switch stored {
    case .disk(let disk):
      storedSize = disk.byteCount
      let start = try HeadedStream(SourceByteStream(disk), headSize: Self.headSize)
      codec = options.decompresses ? start.withHead { Codec.detect($0) } : nil
      var input: any ByteStream = CountingStream(SourceByteStream(disk), consumed)
      if let tap = options.tap { input = TappedStream(input, tap) }
      guard let codec else {
        content = options.tap == nil ? stored : .stream(input)
        head = start.head
        return
      }
      let decoded = try codec.decoded(input, name: name, options)
      content = .stream(decoded)
      head = decoded.head
    case .stream(let stream):
      storedSize = nil
      let start = try HeadedStream(CountingStream(stream, consumed), headSize: Self.headSize)
      codec = options.decompresses ? start.withHead { Codec.detect($0) } : nil
      let decoded = try codec.map { try $0.decoded(start, name: name, options) }
      content = .stream(decoded ?? start)
      head = (decoded ?? start).head
    }
  }
}

extension Codec {
  /// What `input` decodes to; throws where that is compressed again, which nobody wants on a disk.
  fileprivate func decoded(
    _ input: any ByteStream, name: String, _ options: DecodingOptions
  ) throws -> HeadedStream {
    let decoded = try HeadedStream(open(input, name: name, options: options), headSize: InputFile.headSize)
    if let inner = decoded.withHead({ Codec.detectSignature($0) }) {
      throw ImageError(
        .unsupported, format: self.name, file: name,
        "it is compressed twice, with \(inner.name) and then with \(self.name); decode it once on the way in")
    }
    return decoded
  }
}

/// A stream whose first bytes are known before they are read.
package final class HeadedStream: ByteStream {
  private let stream: any ByteStream
  /// The first bytes, all of the stream where it is shorter than was asked for.
  package let head: [UInt8]
  private let headSize: Int
  private var position = 0

  /// Reads the first `headSize` bytes of `stream`.
  package init(_ stream: any ByteStream, headSize: Int) throws {
    self.stream = stream
    self.headSize = headSize
    var buffer = Buffer(count: headSize)
    let count = try buffer.fill { try stream.read(into: &$0) }
    head = buffer.prefix(count).array
  }

  /// Gives the head to `body`.
  package func withHead<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
    unsafe try head.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return try body(RawSpan()) }
      return try body(unsafe RawSpan(_unsafeStart: base, byteCount: bytes.count))
    }
  }

  package func read(into buffer: inout MutableRawSpan) throws -> Int {
    let count = min(head.count - position, buffer.byteCount)
    if count > 0 {
      withHead { buffer.copy($0.slice(position, count), at: 0) }
      position += count
    }
    // A head shorter than asked for is all there is.
    guard count < buffer.byteCount, head.count == headSize else { return count }
    var rest = buffer.mutableSlice(count, buffer.byteCount - count)
    return count + (try stream.read(into: &rest))
  }

  package func exchange(_ buffer: inout Buffer, count: Int) throws -> Bool {
    guard position == head.count, head.count == headSize else { return false }
    return try stream.exchange(&buffer, count: count)
  }
}

/// A stream that counts what is read of it.
final class CountingStream: ByteStream {
  private let stream: any ByteStream
  private let counter: ByteCounter

  init(_ stream: any ByteStream, _ counter: ByteCounter) {
    self.stream = stream
    self.counter = counter
  }

  func read(into buffer: inout MutableRawSpan) throws -> Int {
    let count = try stream.read(into: &buffer)
    counter.add(UInt64(count))
    return count
  }
}
