import BlockIO
import Bytes
import Clonezilla
import Images
import Partitions
import SystemPackage

extension OpenedSource {
  /// Opens what `folder` keeps of `partition`, which has `size` bytes in its disk's table: its image, compared with the
  /// folder's checksums on the way, or a new swap area.
  init(
    _ partition: SavedPartition, size: UInt64?, in folder: ClonezillaFolder, _ request: SourceRequest,
    progress: JobProgress, say: (String) -> Void
  ) throws {
    let name = "\(folder.name):\(partition.device)"
    switch partition.content {
    case .image(let saved):
      let checksums = request.options.readsHeaderOnly ? nil : try ImageChecksums(saved, in: folder.files)
      // Volumes are opened one by one, behind the back of whoever counts bytes.
      if saved.isVolumes { try checksums?.finish() }
      var file = FileToOpen(
        name: saved.path.string, format: try request.format.map(Self.format(named:)) ?? saved.format,
        decompresses: saved.compression != "uncomp")
      file.tap = saved.isVolumes ? nil : checksums
      let source = try OpenedSource(file, request, progress: progress, say: say)
      let content = try Self.content(
        of: source, size: saved.tool == .dd ? size : nil, checksums: file.tap == nil ? nil : checksums)
      self.init(name: name, image: source.image, content: content, like: source)
    case .swap(let info):
      guard let size, let area = SwapArea(info, byteCount: size) else {
        throw folder.files.unsupported("\(partition.device) is too small for the swap area that it was")
      }
      var facts: Record = ["virtual-size": .size(size), "filesystem": .text("swap"), "label": .text(info.label)]
      facts.add("uuid", info.uuidText.map { .text($0) })
      let image = Image(format: "swap", content: .disk(area), facts: facts)
      self.init(name: name, image: image, content: .disk(area), files: folder.imageFiles)
    case .unsupported(let reason): throw folder.files.unsupported(reason)
    case .container:
      throw folder.files.unsupported("\(partition.device) is the container of logical partitions: restore those")
    case .nothing: throw folder.files.unsupported("\(partition.device) was not saved")
    }
  }

  /// The content of an image of which only the bytes are known, with what is known of its end.
  private static func content(of source: OpenedSource, size: UInt64?, checksums: ImageChecksums?) throws
    -> Image.Content
  {
    switch source.content {
    case .disk(let disk):
      if let size, disk.byteCount != size {
        throw ImageError(
          .damaged, format: "raw", file: source.name,
          "it has \(describeSize(disk.byteCount)) and its partition \(describeSize(size)); copy it again")
      }
      return source.content
    case .stream(let stream):
      guard size != nil || checksums != nil else { return source.content }
      return .stream(CheckedStream(stream, byteCount: size, checksums: checksums))
    }
  }

  /// The disk that a folder describes, with the first bytes of every partition, to look at.
  init(_ disk: SavedDisk, in folder: ClonezillaFolder, _ request: SourceRequest) throws {
    guard let image = try disk.image(in: folder.files) else {
      throw folder.files.unsupported(
        "\(disk.device) was saved without a partition table, and nothing else is known of it")
    }
    var view = image.disk
    for partition in disk.partitions {
      guard let place = partition.number.flatMap({ image.table.partition($0) }),
        let start = Self.start(of: partition, size: place.byteCount, in: folder, request)
      else { continue }
      view.put(Array(start.prefix(Int(clamping: place.byteCount))), at: place.start)
    }
    let listing = FolderListing(folder, request.options)
    var facts: Record = ["virtual-size": .size(view.byteCount)]
    for fact in listing.record.facts where fact.key != "folder" { facts.add(fact.key, fact.value) }
    self.init(
      name: folder.disks.count > 1 ? "\(folder.name):\(disk.device)" : folder.name,
      image: Image(
        format: "clonezilla", content: .disk(view), facts: facts, warnings: image.warnings + listing.notes,
        files: folder.imageFiles),
      content: .disk(view), files: folder.imageFiles)
  }

  /// The first MiB, at most, of what was saved of a partition; nil where it cannot be read.
  private static func start(
    of partition: SavedPartition, size: UInt64, in folder: ClonezillaFolder, _ request: SourceRequest
  ) -> [UInt8]? {
    var request = request
    request.workers = 1
    guard
      let source = try? OpenedSource(partition, size: size, in: folder, request, progress: JobProgress(), say: { _ in })
    else { return nil }
    return try? source.content.start(1 << 20)
  }
}

extension Image.Content {
  /// The first bytes, `limit` at most; what is not stored of them reads as zeroes.
  fileprivate func start(_ limit: Int) throws -> [UInt8] {
    switch self {
    case .disk(let disk):
      var buffer = Buffer(count: Int(min(UInt64(limit), disk.byteCount)))
      _ = try buffer.fill { span in
        try disk.read(at: 0, into: &span)
        return span.byteCount
      }
      return buffer.prefix(buffer.count).array
    case .stream(let stream):
      var buffer = Buffer(zeroes: limit)
      var end: UInt64 = 0
      while end < UInt64(limit) {
        var rest = buffer.mutableSlice(Int(end), limit - Int(end))
        guard let extent = try stream.next(into: &rest) else { break }
        // What is left of a buffer behind data, and all of it without, may hold anything.
        if extent.kind != .data { rest.fillWithZeroes() }
        end = extent.end
      }
      return buffer.prefix(Int(min(end, UInt64(limit)))).array
    }
  }
}

extension SavedImage {
  /// The format that the image must be of: what is in it does not choose.
  var format: ImageFormat {
    switch tool {
    case .partclone: .partclone
    case .ntfsclone: .ntfsclone
    case .partimage: .partimage
    case .dd: .raw
    }
  }
}

extension SavedDisk {
  /// A partition's size in its disk's table, in bytes; nil for a disk without a table, and for an image that says its
  /// size by itself, for which the table need not be sound.
  func size(of partition: SavedPartition, in folder: ClonezillaFolder) throws -> UInt64? {
    guard let number = partition.number else { return nil }
    if let image = partition.image, image.tool != .dd { return nil }
    return try image(in: folder.files)?.table.partition(number)?.byteCount
  }
}

extension ClonezillaFolder {
  /// The folder and every image file in it, none of which may become a target.
  var imageFiles: [ImageFile] {
    let pieces = disks.flatMap(\.partitions).compactMap(\.image).flatMap(\.pieces).map { files.path($0) }
    return ([files.path] + pieces).compactMap { path in
      (try? FileStatus.of(path)).map { ImageFile(path: path, status: $0) }
    }
  }
}

/// A stream whose size is known from elsewhere, and whose end waits for the checksums of its files.
private final class CheckedStream: ExtentStream {
  private let stream: any ExtentStream
  private let size: UInt64?
  private let checksums: ImageChecksums?

  init(_ stream: any ExtentStream, byteCount: UInt64?, checksums: ImageChecksums?) {
    self.stream = stream
    size = byteCount
    self.checksums = checksums
  }

  var byteCount: UInt64? { stream.byteCount ?? size }
  var map: (any ExtentMap)? { stream.map }

  func next(into buffer: inout MutableRawSpan) throws -> Extent? {
    if let extent = try stream.next(into: &buffer) { return extent }
    try checksums?.finish()
    return nil
  }

  func exchange(_ buffer: inout Buffer, count: Int) throws -> Extent? { try stream.exchange(&buffer, count: count) }
}
