import BlockIO
import Bytes

extension ImageFormat {
  /// partclone, image versions 0001 and 0002: a filesystem's used blocks.
  ///
  /// A seekable image whose checksums restart, or that has none, opens as a disk. Where the checksums run on through
  /// the image they can be followed only in order: it opens as a stream, with an unchecked disk to look inside.
  package static let partclone = ImageFormat(
    name: "partclone", isStreamable: true,
    probe: { head in
      // A header that is cut off is a damaged partclone image, never a disk of its few bytes.
      head.byteCount >= 15 && head.slice(0, 15).array == Array("partclone-image".utf8)
    }
  ) { input in
    switch input.bytes {
    case .stream(let bytes):
      let opening = try PartcloneOpening(
        bytes, options: input.options,
        errors: BackupErrors(format: "partclone", file: input.name, isSeekable: false))
      opening.warnAhead()
      return opening.image(.stream(PartcloneStream(opening)), browsable: nil)
    case .file(let file):
      let opening = try PartcloneOpening(
        SourceByteStream(file), options: input.options,
        errors: BackupErrors(format: "partclone", file: input.name, isSeekable: true))
      return try opening.open(file)
    }
  }
}

extension PartcloneOpening {
  /// The image in whichever shape can be checked.
  fileprivate func open(_ file: any BlockSource) throws -> Image {
    guard !options.readsHeaderOnly else { return image(.stream(PartcloneStream(self)), browsable: nil) }
    let bits = header.bitmapMode == .bits ? (header.totalBlocks + 7) / 8 : header.totalBlocks
    guard header.bitmapMode == .none || bits <= file.byteCount - min(reader.offset, file.byteCount) else {
      throw errors.damaged(
        "the bitmap of \(header.totalBlocks) blocks does not fit into the file, which has \(describeSize(file.byteCount))",
        image: reader.offset, target: 0)
    }
    let blocks = try storedBlocks()
    let layout = try layout(of: blocks)
    try checkEnd(layout, file, blocks)
    let isOrdered = verifies && !(header.reseeds && layout.longestStrip <= PartcloneDisk.longestStrip)
    let isStream = isOrdered || options.rescues
    let disk = try disk(file, layout, blocks, verifies: verifies && !isStream)
    warnAhead()
    return image(isStream ? .stream(PartcloneStream(self)) : .disk(disk), browsable: isStream ? disk : nil)
  }

  /// Makes the random-access source, which NTFS's backup boot sector is added to.
  private func disk(
    _ file: any BlockSource, _ layout: PartcloneLayout, _ blocks: StoredBlocks, verifies: Bool
  ) throws -> PartcloneDisk {
    var map = BackupMap(blocks: blocks, byteCount: header.deviceSize)
    let plain = PartcloneDisk(file, header: header, layout: layout, map: map, verifies: verifies, errors: errors)
    let size = Int(min(4096, UInt64(header.blockSize)))
    guard rebuildsBootSector, blocks.isStored(0), layout.offset(ofStored: 1) <= file.byteCount else { return plain }
    var front = Buffer(count: size)
    var span = front.mutablePrefix(size)
    try plain.read(at: 0, into: &span)
    map.add(NTFSBootSector(start: front.prefix(size), deviceSize: header.deviceSize))
    guard map.bootSector != nil else { return plain }
    return PartcloneDisk(file, header: header, layout: layout, map: map, verifies: verifies, errors: errors)
  }

  /// Compares the file's length with where the image must end; leaves that to the reading where damage is passed over.
  private func checkEnd(_ layout: PartcloneLayout, _ file: any BlockSource, _ blocks: StoredBlocks) throws(ImageError) {
    guard !options.rescues else { return }
    if file.byteCount > layout.end {
      throw errors.damaged(
        "\(describeSize(file.byteCount - layout.end)) follow the end of the image; it is damaged, or two files are"
          + " joined",
        image: layout.end, target: header.deviceSize)
    }
    guard file.byteCount < layout.end else { return }
    var low: UInt64 = 0
    var high = layout.storedBlocks
    // The first stored block that does not lie in the file whole.
    while low < high {
      let middle = (low + high) / 2
      if layout.offset(ofStored: middle) + layout.blockSize <= file.byteCount {
        low = middle + 1
      } else {
        high = middle
      }
    }
    let block = low < layout.storedBlocks ? low : layout.storedBlocks - 1
    throw errors.damaged(
      "the image ends \(describeSize(layout.end - file.byteCount)) too early; copy it again or go"
        + " on with --rescue", image: file.byteCount, target: blocks.block(ofStored: block) * layout.blockSize)
  }

  /// Says what is known before the data are read.
  fileprivate func warnAhead() {
    if rebuildsBootSector {
      warn("NTFS's backup boot sector, which partclone leaves out, is rebuilt from the first sector")
    }
    let strip = min(header.blocksPerChecksum, header.usedBlocks) * UInt64(header.blockSize)
    if verifies, strip > PartcloneStream.longestHeld {
      warn(
        "one checksum covers \(describeSize(strip)), more than is held in memory: damage shows only after the blocks"
          + " before it are written")
    }
    if header.checksum == .none { warn("the image has no checksums: damage in its blocks cannot be seen") }
    if header.version == .v1 {
      warn("version 0001's checksums see one byte of each block: most damage in its blocks cannot be seen")
    }
  }

  /// The opened image.
  fileprivate func image(_ content: Image.Content, browsable: (any BlockSource)?) -> Image {
    Image(
      format: "partclone", content: content, facts: header.facts, warnings: warnings, browsable: browsable,
      damage: damage)
  }
}
