import BlockIO
import Bytes

/// An image under way to be opened: its header, and the reader that stands behind it.
final class PartcloneOpening {
  let reader: StreamReader
  let header: PartcloneHeader
  let options: ImageOptions
  let errors: BackupErrors
  /// Damage passed over; nil where it is an error.
  let damage: DamageLog?
  /// What the user should know, each a sentence.
  private(set) var warnings: [String] = []
  private var stored: StoredBlocks?
  private var known: PartcloneLayout?

  /// Reads the header of `bytes`; throws `ImageError`.
  init(_ bytes: any ByteStream, options: ImageOptions, errors: BackupErrors) throws {
    self.options = options
    self.errors = errors
    reader = StreamReader(bytes)
    damage = options.rescues ? DamageLog() : nil
    var front = Buffer(count: PartcloneHeader.parsedSize)
    var span = front.mutablePrefix(front.count)
    let count = try reader.read(into: &span)
    header = try PartcloneHeader(
      parsing: front.prefix(count), ignoringChecksum: options.ignoresChecksums || options.rescues, errors: errors)
    if !header.isIntact { tolerate("the header's checksum is wrong", 106..<110, target: nil) }
    guard try reader.skip(header.byteCount - UInt64(count)) else {
      throw errors.damaged("the image ends inside its header", image: reader.offset)
    }
  }

  /// Whether data checksums are compared.
  var verifies: Bool { header.checksum != .none && !options.ignoresChecksums }

  /// Whether NTFS's backup boot sector is looked for and added.
  var rebuildsBootSector: Bool { options.fixesBootSector && header.filesystem == "NTFS" }

  /// Which blocks are stored: reads the bitmap at the first call.
  func storedBlocks() throws -> StoredBlocks {
    if let stored { return stored }
    let forgives = options.ignoresChecksums || options.rescues
    let bitmap = PartcloneBitmap(header: header, errors: errors)
    let tolerant: (ImageError, Range<UInt64>) -> Void = { _, range in
      self.tolerate("the bitmap's checksum is wrong", range, target: 0..<self.header.deviceSize)
    }
    let read = try bitmap.read(from: reader, tolerate: forgives ? tolerant : nil)
    stored = read
    return read
  }

  /// Where the stored blocks lie; `stored` has just been read.
  func layout(of stored: StoredBlocks) throws -> PartcloneLayout {
    if let known { return known }
    var layout = PartcloneLayout(
      dataStart: reader.offset, blockSize: UInt64(header.blockSize), blocksPerStrip: header.blocksPerChecksum,
      checksumSize: UInt64(header.checksum.byteCount), storedBlocks: stored.stored)
    if header.version == .v1, try hasLongChecksums(layout) {
      layout.checksumSize = 8
      warnings.append("the image has 8-byte checksums, as very old 64-bit versions of partclone wrote them")
    }
    known = layout
    return layout
  }

  /// Whether each checksum of a version 0001 image is followed by four more bytes.
  ///
  /// The second block's checksum fits at one of the two distances; with one block only the image's length tells.
  private func hasLongChecksums(_ layout: PartcloneLayout) throws -> Bool {
    let size = header.blockSize
    guard layout.storedBlocks > 0, size <= 16 << 20 else { return false }
    let order = header.order
    if layout.storedBlocks == 1 { return try reader.peek(size + 9) { $0.byteCount == size + 8 } }
    return try reader.peek(2 * size + 12) { bytes in
      func fits(_ gap: Int) -> Bool {
        guard bytes.byteCount >= 2 * size + gap + 4 else { return false }
        let crc = FirstByteCRC(blockSize: size)
        crc.feed(bytes.littleEndian(at: 0))
        crc.feed(bytes.littleEndian(at: size + gap))
        return crc.register == order.load(bytes, at: 2 * size + gap, as: UInt32.self)
      }
      return !fits(4) && fits(8)
    }
  }

  /// Notes damage that reading goes on past.
  func tolerate(_ cause: String, _ image: Range<UInt64>, target: Range<UInt64>?) {
    damage?.add(cause, image: image, target: target)
    warnings.append("\(cause) (image offset \(image.lowerBound.hex)); it is passed over as asked")
  }

  /// Adds a warning.
  func warn(_ text: String) { warnings.append(text) }
}
