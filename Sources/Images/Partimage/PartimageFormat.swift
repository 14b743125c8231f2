import BlockIO
import Bytes

extension ImageFormat {
  /// partimage, image formats 0.6.0 and 0.6.1, one volume or several: a filesystem's used blocks.
  ///
  /// The sum in the tail covers the whole image and can be compared only in order: it opens as a stream. Plain volumes
  /// have a disk beside that to look inside, and open as a disk where checksums are not wanted.
  package static let partimage = ImageFormat(
    name: "partimage", isStreamable: true, hasVolumes: true,
    probe: { head in
      head.byteCount >= PartimageVolumeHeader.byteCount && head.slice(0, 32).array == PartimageVolumeHeader.magic
    }
  ) { input in
    var isSeekable = false
    if case .file = input.bytes { isSeekable = true }
    let opening = try PartimageOpening(
      input, errors: BackupErrors(format: "partimage", file: input.name, isSeekable: isSeekable))
    return try opening.open()
  }
}

extension PartimageOpening {
  /// The image in whichever shape can be checked.
  fileprivate func open() throws -> Image {
    if rebuildsBootSector {
      warn("NTFS's backup boot sector, which partimage leaves out, is rebuilt from the first sector")
    }
    guard !options.readsHeaderOnly, let payload = volumes.payload() else {
      return image(.stream(PartimageStream(self)), browsable: nil)
    }
    try checkEnd(payload)
    let disk = try disk(payload)
    guard !verifies, !options.rescues else { return image(.stream(PartimageStream(self)), browsable: disk) }
    return image(.disk(disk), browsable: nil)
  }

  /// Makes the random-access source, which NTFS's backup boot sector is added to.
  private func disk(_ payload: PartimagePayload) throws -> PartimageDisk {
    var map = BackupMap(blocks: blocks, byteCount: deviceSize)
    if payload.byteCount < layout.dataEnd {
      // Only where damage is passed over: what is not in the files reads as unused.
      map.dataEnd = target(ofStored: storedBytes(in: payload.byteCount))
    }
    let plain = PartimageDisk(payload, layout: layout, map: map, verifies: false, errors: errors)
    let size = Int(min(4096, UInt64(local.blockSize)))
    if rebuildsBootSector, blocks.isStored(0), map.dataEnd >= UInt64(size) {
      var front = Buffer(count: size)
      var span = front.mutablePrefix(size)
      try plain.read(at: 0, into: &span)
      map.add(NTFSBootSector(start: front.prefix(size), deviceSize: deviceSize))
    }
    return PartimageDisk(
      payload, layout: layout, map: map, verifies: verifies && !options.rescues, errors: errors)
  }

  /// How many bytes of blocks lie whole in the first `size` bytes, in whole groups.
  private func storedBytes(in size: UInt64) -> UInt64 {
    let step = PartimageLayout.groupSize + PartimageLayout.checkSize
    return (size - min(size, layout.dataStart)) / step * PartimageLayout.groupSize
  }

  /// Compares the files' length with where the image must end, unless damage is passed over.
  private func checkEnd(_ payload: PartimagePayload) throws {
    guard !options.rescues, payload.byteCount != layout.end else { return }
    let header = UInt64(PartimageVolumeHeader.byteCount)
    guard payload.byteCount < layout.end else {
      throw errors.damaged(
        "\(describeSize(payload.byteCount - layout.end)) follow the end of the image; it is damaged, or two files are"
          + " joined", image: layout.end + header, target: deviceSize)
    }
    let missing = volumes.isSet ? "; perhaps a volume is missing" : "; it may be one volume of several"
    throw errors.damaged(
      "the image ends \(describeSize(layout.end - payload.byteCount)) too early\(missing); copy it again or go on with"
        + " --rescue", image: payload.byteCount + header, target: target(ofStored: storedBytes(in: payload.byteCount)))
  }

  /// The opened image.
  private func image(_ content: Image.Content, browsable: (any BlockSource)?) -> Image {
    Image(
      format: "partimage", content: content, facts: facts, warnings: warnings, files: volumes.others,
      browsable: browsable, damage: damage)
  }
}
