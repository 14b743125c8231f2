import BlockIO
import Bytes

/// A partimage image under way to be opened, up to its blocks.
final class PartimageOpening {
  /// How many parts are left for later versions.
  private static let mostExtensions = 10

  let volumes: PartimageVolumes
  let reader: PartimageReader
  let options: ImageOptions
  let errors: BackupErrors
  /// Damage passed over; nil where it is an error.
  let damage: DamageLog?
  let main: PartimageMainHeader
  private(set) var local: PartimageLocalHeader
  private(set) var blocks: StoredBlocks
  private(set) var layout: PartimageLayout
  /// What `info` shows.
  private(set) var facts: Record
  /// What the user should know, each a sentence.
  private(set) var warnings: [String]

  /// Reads all that comes before the blocks; throws `ImageError`.
  init(_ input: ImageInput, errors: BackupErrors) throws {
    options = input.options
    self.errors = errors
    damage = options.rescues ? DamageLog() : nil
    volumes = try PartimageVolumes(input, errors: errors)
    reader = PartimageReader(volumes, errors: errors)
    var prelude = Prelude(reader: reader, errors: errors, options: options, damage: damage)
    main = try prelude.mainHeader()
    let records = try prelude.diskRecords(main)
    try prelude.extensions(Self.mostExtensions)
    local = try prelude.localHeader(main)
    blocks = try prelude.bitmap(local)
    let information = try prelude.information(main)
    layout = PartimageLayout(dataStart: reader.offset, storedBytes: blocks.stored * UInt64(local.blockSize))
    warnings = prelude.warnings
    facts = Record()
    addFacts(records, information)
  }

  private func addFacts(_ records: [Record.Value], _ information: Record) {
    facts.add("virtual-size", .size(main.partitionSize))
    facts.add("image-version", .text(volumes.header.version))
    facts.add("filesystem", .text(main.filesystem.printable))
    facts.add("identifier", .text(volumes.header.identifier.hex))
    facts.add("volume", .count(UInt64(volumes.header.number)))
    facts.add("partition-size", .size(main.partitionSize))
    for fact in local.facts.facts { facts.add(fact.key, fact.value) }
    facts.add("stored-blocks", .count(blocks.stored))
    facts.add("checksum", .text("CRC32 of every 64 KiB, sum of all"))
    for fact in main.facts.facts { facts.add(fact.key, fact.value) }
    if !records.isEmpty { facts.add("disks", .list(records)) }
    if !information.facts.isEmpty { facts.add("filesystem-header", .record(information)) }
  }

  /// Whether checks and the sum are compared.
  var verifies: Bool { !options.ignoresChecksums }
  /// Whether NTFS's backup boot sector is looked for and added.
  var rebuildsBootSector: Bool { options.fixesBootSector && main.isNTFS }
  /// The partition's size in bytes.
  var deviceSize: UInt64 { main.partitionSize }

  /// Where on the partition byte `byte` of the stored blocks belongs.
  func target(ofStored byte: UInt64) -> UInt64 {
    let size = UInt64(local.blockSize)
    guard byte < layout.storedBytes else {
      return layout.storedBytes == 0 ? 0 : (blocks.block(ofStored: blocks.stored - 1) + 1) * size
    }
    return blocks.block(ofStored: byte / size) * size + byte % size
  }

  /// Notes bytes `range` of the stored blocks as damaged, one range for each run of blocks.
  func note(_ cause: String, stored range: Range<UInt64>, _ damage: DamageLog) {
    let size = UInt64(local.blockSize)
    let header = UInt64(PartimageVolumeHeader.byteCount)
    var byte = range.lowerBound
    while byte < range.upperBound {
      let start = target(ofStored: byte)
      let block = start / size
      let most = (range.upperBound - byte - 1) / size + 2
      let end = min(blocks.next(false, from: block, below: block + most) * size, start + (range.upperBound - byte))
      let image = header + layout.offset(ofStored: byte)
      damage.add(cause, image: image..<(image + (end - start)), target: start..<end)
      byte += end - start
    }
  }

  /// Adds a warning.
  func warn(_ text: String) { warnings.append(text) }
}

/// Reads the parts of an image before its blocks, in order.
private struct Prelude {
  let reader: PartimageReader
  let errors: BackupErrors
  let options: ImageOptions
  let damage: DamageLog?
  var warnings: [String] = []

  init(reader: PartimageReader, errors: BackupErrors, options: ImageOptions, damage: DamageLog?) {
    (self.reader, self.errors, self.options, self.damage) = (reader, errors, options, damage)
  }

  /// Where the next byte is, the volume's header counted.
  private var place: UInt64 { reader.volumes.place(of: reader.offset).offset }

  /// Reads a header of 16384 bytes and the sum behind it.
  private mutating func header<Result>(_ what: String, _ body: (RawSpan, UInt64) throws -> Result) throws -> Result {
    let start = reader.offset
    let place = place
    return try reader.withNext(16384, of: what) { bytes in
      let stored = try reader.withNext(4, of: what) { $0.littleEndian(at: 0, as: UInt32.self) }
      if !ByteSum.fits(stored, bytes) {
        try fail("the sum of \(what) is wrong", at: start)
      }
      return try body(bytes, place)
    }
  }

  /// Throws, unless damage is to be passed over.
  private mutating func fail(_ cause: String, at start: UInt64) throws {
    guard damage != nil || options.ignoresChecksums else {
      throw reader.damaged(cause + "; copy the image again", at: start, target: 0)
    }
    let image = start + UInt64(PartimageVolumeHeader.byteCount)
    damage?.add(cause, image: image..<max(image + 1, place), target: nil)
    warnings.append("\(cause) (image offset \(image.hex)); it is passed over as asked")
  }

  /// Reads the text between two parts.
  private mutating func magic(_ name: String) throws {
    let text = "MAGIC-BEGIN-" + name
    let start = reader.offset
    let isRight = try reader.withNext(text.utf8.count, of: "its headers") { $0.array == Array(text.utf8) }
    if !isRight { try fail("the mark \"\(text)\" is missing", at: start) }
  }

  mutating func mainHeader() throws -> PartimageMainHeader {
    try header("the main header") { [errors] in try PartimageMainHeader(parsing: $0, at: $1, errors: errors) }
  }

  /// The records of the machine's disks: their names, models, sizes, and whether their sums are right.
  mutating func diskRecords(_ main: PartimageMainHeader) throws -> [Record.Value] {
    try magic("MBRBACKUP")
    var all: [Record.Value] = []
    for _ in 0..<main.records.count {
      let record = try reader.withNext(Int(main.records.size), of: "its records of disks") { bytes -> Record in
        var record: Record = ["device": .text(bytes.slice(516, 512).text.printable)]
        record.add("blocks", .count(bytes.littleEndian(at: 1028)))
        record.add("model", .text(bytes.slice(1036, 128).text.printable))
        record.add("intact", .flag(ByteSum.fits(bytes.littleEndian(at: 512), bytes.slice(0, 512))))
        return record
      }
      if record["intact"] == .flag(false) { warnings.append("the sum of a saved boot sector is wrong; it is not used") }
      all.append(.record(record))
    }
    return all
  }

  /// Passes over the parts that no writer has filled yet.
  mutating func extensions(_ count: Int) throws {
    for index in 0..<count {
      try magic("EXT00\(index)")
      let size = try reader.withNext(4, of: "its headers") { $0.littleEndian(at: 0, as: UInt32.self) }
      try reader.skip(UInt64(size), of: "its headers")
    }
  }

  mutating func localHeader(_ main: PartimageMainHeader) throws -> PartimageLocalHeader {
    try magic("LOCALHEADER")
    return try header("the local header") { [errors] in
      try PartimageLocalHeader(parsing: $0, at: $1, partitionSize: main.partitionSize, errors: errors)
    }
  }

  /// Reads the bitmap; memory is taken as bytes arrive.
  mutating func bitmap(_ local: PartimageLocalHeader) throws -> StoredBlocks {
    try magic("BITMAP")
    let start = reader.offset
    if let payload = reader.volumes.payload(), local.bitmapSize > payload.byteCount - min(payload.byteCount, start) {
      throw reader.damaged(
        "the bitmap of \(describeSize(local.bitmapSize)) does not fit into the image, which has"
          + " \(describeSize(payload.byteCount))", target: 0)
    }
    let size = Int((local.totalBlocks + 7) / 8)
    guard var bits = Pages(count: (size + 7) / 8 * 8) else {
      throw errors.unsupported("there is no memory for a bitmap of \(describeSize(UInt64(size)))", image: place)
    }
    var offset = 0
    while offset < size {
      var piece = bits.mutableSlice(offset, min(1 << 20, size - offset))
      guard try reader.read(into: &piece) == piece.byteCount else { throw reader.endsEarly(in: "its bitmap") }
      offset += piece.byteCount
    }
    try reader.skip(local.bitmapSize - UInt64(size), of: "its bitmap")
    let blocks = StoredBlocks(bits, total: local.totalBlocks, blockSize: UInt64(local.blockSize))
    if blocks.stored != local.usedBlocks {
      try fail(
        "the bitmap has \(blocks.stored) blocks in use and the header before it says \(local.usedBlocks)", at: start)
    }
    return blocks
  }

  /// Reads the header about the filesystem.
  mutating func information(_ main: PartimageMainHeader) throws -> Record {
    try magic("INFO")
    let facts = try header("the filesystem's header") { bytes, _ in
      PartimageInfoHeader.facts(bytes, filesystem: main.filesystem)
    }
    try magic("DATABLOCKS")
    return facts
  }
}
