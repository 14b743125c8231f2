import BlockIO
import Bytes

/// An ntfsclone image under way to be opened: its header, and the reader that stands behind it.
final class NtfscloneOpening {
  let reader: StreamReader
  let header: NtfscloneHeader
  let options: ImageOptions
  let errors: BackupErrors
  /// Damage passed over; nil where it is an error.
  let damage: DamageLog?

  /// Reads the header of `bytes`; throws `ImageError`.
  init(_ bytes: any ByteStream, options: ImageOptions, errors: BackupErrors) throws {
    self.options = options
    self.errors = errors
    damage = options.rescues ? DamageLog() : nil
    reader = StreamReader(bytes, readAhead: 256 << 10)
    let size = NtfscloneHeader.parsedSize
    header = try reader.peek(size) { bytes in
      Result { () throws(ImageError) in try NtfscloneHeader(parsing: bytes, errors: errors) }
    }.get()
    guard try reader.skip(header.firstRecord) else {
      throw errors.damaged("the image ends before its first record", image: reader.offset)
    }
  }

  /// The image in a seekable file: its records are gone through once, and all of them checked.
  func open(_ file: any BlockSource) throws -> Image {
    guard !options.readsHeaderOnly else { return image(.stream(NtfscloneStream(self))) }
    let (index, dataEnd) = try index(file)
    var map = BackupMap(blocks: index.blocks, byteCount: header.deviceSize)
    map.dataEnd = dataEnd
    let plain = NtfscloneDisk(file, header: header, index: index, map: map, errors: errors)
    let size = min(4096, header.storedSize(of: 0))
    if options.fixesBootSector, index.blocks.isStored(0), dataEnd >= UInt64(size) {
      var front = Buffer(count: size)
      var span = front.mutablePrefix(size)
      try plain.read(at: 0, into: &span)
      map.add(NTFSBootSector(start: front.prefix(size), deviceSize: header.deviceSize))
    }
    let disk = NtfscloneDisk(file, header: header, index: index, map: map, errors: errors)
    return image(.disk(disk), index: index, isRebuilt: map.bootSector != nil)
  }

  /// The opened image; `index` where it is known.
  func image(_ content: Image.Content, index: NtfscloneIndex? = nil, isRebuilt: Bool? = nil) -> Image {
    var facts = header.facts
    var warnings = ["the image has no checksums: damage in its clusters cannot be seen"]
    if let index {
      facts.add("stored-clusters", .count(index.blocks.stored))
      facts.add("metadata-only", .flag(index.isTable))
      if index.isTable {
        warnings.append("the image holds metadata only, not the contents of files: a volume made of it is for study")
      }
    }
    if options.fixesBootSector, isRebuilt ?? header.mayOmitLast {
      warnings.append("NTFS's backup boot sector, which the image leaves out, is rebuilt from the first sector")
    }
    for damage in damage?.ranges ?? [] {
      warnings.append("\(damage.cause) (image offset \(damage.image.lowerBound.hex)); it is passed over as asked")
    }
    return Image(format: "ntfsclone", content: content, facts: facts, warnings: warnings, damage: damage)
  }
}

extension ImageFormat {
  /// ntfsclone's special image, before version 10, 10.0 and 10.1: an NTFS volume's clusters in use.
  ///
  /// A seekable image opens as a disk, once its records have been gone through; a pipe is read as it comes, which
  /// images with metadata only do not allow.
  package static let ntfsclone = ImageFormat(
    name: "ntfsclone", isStreamable: true,
    probe: { head in head.byteCount >= 46 && head.slice(0, 16).array == NtfscloneHeader.magic }
  ) { input in
    switch input.bytes {
    case .stream(let bytes):
      let opening = try NtfscloneOpening(
        bytes, options: input.options,
        errors: BackupErrors(format: "ntfsclone", file: input.name, isSeekable: false))
      return opening.image(.stream(NtfscloneStream(opening)))
    case .file(let file):
      let opening = try NtfscloneOpening(
        SourceByteStream(file), options: input.options,
        errors: BackupErrors(format: "ntfsclone", file: input.name, isSeekable: true))
      return try opening.open(file)
    }
  }
}
