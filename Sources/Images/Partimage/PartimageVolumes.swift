import BlockIO
import Bytes
import Codecs
import SystemPackage

/// What is in the volumes of a partimage image behind their headers, one after the other.
///
/// The first volume is given; the others are files beside it, each opened when the one before it is over. What keeps one
/// from being opened is not an error until its bytes are missed.
final class PartimageVolumes: ByteStream {
  /// The first volume's header.
  let header: PartimageVolumeHeader
  /// Names the volumes; nil for a pipe, and for a name that is not the first of a set.
  private let names: PartimageNames?
  private let errors: BackupErrors
  private var current: any ByteStream
  private var offset: UInt64 = 0
  /// Where each volume's bytes start among all, volume headers left out.
  private(set) var starts: [UInt64] = [0]
  /// The volumes as plain files; nil where one is not.
  private(set) var files: [any BlockSource]?
  /// Why there is no further volume.
  private(set) var ending: (any Error)?
  private let workers: Int

  /// Reads the first volume's header; throws `ImageError`.
  init(_ input: ImageInput, errors: BackupErrors, workers: Int = 1) throws {
    self.errors = errors
    self.workers = workers
    names = input.path.flatMap { PartimageNames(first: $0) }
    switch input.bytes {
    case .file(let file):
      current = SourceByteStream(file)
      files = [file]
    case .stream(let stream): current = stream
    }
    header = try Self.header(of: current, errors)
    guard header.number == 0 else {
      throw errors.unsupported(
        "this is volume \(header.number) of an image: give the first one, whose name ends in .000", image: 96)
    }
  }

  /// Whether the image may have more volumes than the one that was given.
  var isSet: Bool { names != nil }

  func read(into buffer: inout MutableRawSpan) throws -> Int {
    var done = 0
    while done < buffer.byteCount {
      var rest = buffer.mutableSlice(done, buffer.byteCount - done)
      let count = try current.read(into: &rest)
      done += count
      offset += UInt64(count)
      guard done < buffer.byteCount, openNext() else { break }
    }
    return done
  }

  /// The volume that holds byte `place`, and where that byte lies in it, the volume's header counted.
  func place(of place: UInt64) -> (volume: Int, offset: UInt64) {
    let volume = (starts.lastIndex { $0 <= place }) ?? 0
    return (volume, place - starts[volume] + UInt64(PartimageVolumeHeader.byteCount))
  }

  /// Goes to the next volume; false where there is none.
  private func openNext() -> Bool {
    guard ending == nil else { return false }
    guard let names else {
      ending = errors.unsupported(
        "the image ends here, and perhaps goes on in another volume: give volume 0 as a file with the others beside it",
        image: offset + UInt64(PartimageVolumeHeader.byteCount))
      return false
    }
    let number = starts.count
    do {
      let path = names.volume(number)
      let errors = BackupErrors(format: errors.format, file: path.string, isSeekable: true)
      let file = try FileSource(path)
      let stream = try names.decoded(file, workers: workers)
      let bytes = stream ?? SourceByteStream(file)
      let next = try Self.header(of: bytes, errors)
      guard next.number == UInt32(number), next.identifier == header.identifier else {
        throw errors.damaged(
          "this is volume \(next.number) of the image with identifier \(next.identifier.hex), and volume \(number) of"
            + " \(header.identifier.hex) is needed", image: 96)
      }
      if stream == nil { files?.append(file) } else { files = nil }
      starts.append(offset)
      current = bytes
      return true
    } catch {
      ending = error
      return false
    }
  }

  /// Reads a volume's header off the front of `stream`.
  private static func header(of stream: any ByteStream, _ errors: BackupErrors) throws -> PartimageVolumeHeader {
    var bytes = Buffer(count: PartimageVolumeHeader.byteCount)
    let count = try bytes.fill { try stream.read(into: &$0) }
    return try PartimageVolumeHeader(parsing: bytes.prefix(count), errors: errors)
  }

  /// Every plain volume there is, as one disk of bytes without volume headers; nil where one is not plain.
  ///
  /// Volumes that the reading has not come to yet are looked for.
  func payload() -> PartimagePayload? {
    guard var sources = files else { return nil }
    while let names, sources.count < names.count {
      guard let file = try? FileSource(names.volume(sources.count)) else { break }
      do { if try names.decoded(file, workers: 1) != nil { return nil } } catch { return nil }
      guard let next = try? Self.header(of: SourceByteStream(file), errors),
        next.number == UInt32(sources.count), next.identifier == header.identifier
      else { break }
      sources.append(file)
    }
    return PartimagePayload(sources)
  }

  /// The files that hold the other volumes.
  var others: [ImageFile] {
    guard let names else { return [] }
    return (1..<max(names.count, 1)).compactMap { number in
      let path = names.volume(number)
      return (try? FileStatus.of(path)).map { ImageFile(path: path, status: $0) }
    }
  }
}

/// The names of an image's volumes: `name.000`, `name.001` and so on.
struct PartimageNames: Sendable {
  private let folder: FilePath
  private let stem: String
  /// How many files in a row have such names, the first included.
  let count: Int

  /// The names that go with the first volume's; nil unless that ends in `.000`.
  init?(first: FilePath) {
    guard let name = first.lastComponent?.string, name.hasSuffix(".000") else { return nil }
    folder = first.removingLastComponent()
    stem = String(name.dropLast(3))
    var count = 1
    while let path = Self.path(folder, stem, count), (try? FileStatus.of(path)) != nil { count += 1 }
    self.count = count
  }

  /// The file that holds volume `number`.
  func volume(_ number: Int) -> FilePath { Self.path(folder, stem, number) ?? folder }

  private static func path(_ folder: FilePath, _ stem: String, _ number: Int) -> FilePath? {
    let digits = String(number)
    let name = stem + String(repeating: "0", count: max(0, 3 - digits.count)) + digits
    return FilePath.Component(name).map { folder.appending($0) }
  }

  /// What `file` decompresses to; nil if it is not compressed.
  func decoded(_ file: FileSource, workers: Int) throws -> (any ByteStream)? {
    var head = Buffer(count: 65536)
    let count = try head.fill { try file.readUpToEnd(at: 0, into: &$0) }
    guard let codec = Codec.detect(head.prefix(count)) else { return nil }
    return try codec.open(
      SourceByteStream(file), name: file.path.string, options: DecodingOptions(workers: workers))
  }
}

/// Plain volumes as one disk of bytes, their headers left out.
struct PartimagePayload: BlockSource {
  private let volumes: [(source: any BlockSource, start: UInt64)]
  let byteCount: UInt64

  init(_ sources: [any BlockSource]) {
    var start: UInt64 = 0
    var volumes: [(any BlockSource, UInt64)] = []
    for source in sources {
      volumes.append((source, start))
      start += source.byteCount - min(source.byteCount, UInt64(PartimageVolumeHeader.byteCount))
    }
    self.volumes = volumes
    byteCount = start
  }

  func extent(at offset: UInt64, limit: UInt64) -> Extent { Extent(.data, offset: offset, length: limit - offset) }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    var done = 0
    var index = volumes.lastIndex { $0.start <= offset } ?? 0
    while done < buffer.byteCount, index < volumes.count {
      let place = offset + UInt64(done)
      let end = index + 1 < volumes.count ? volumes[index + 1].start : byteCount
      let count = Int(min(end - place, UInt64(buffer.byteCount - done)))
      var part = buffer.mutableSlice(done, count)
      try volumes[index].source.read(
        at: place - volumes[index].start + UInt64(PartimageVolumeHeader.byteCount), into: &part)
      done += count
      index += 1
    }
  }
}
