import BlockIO
import Bytes

/// All that a qcow2 file says of itself outside its mapping tables, checked.
struct QCow2Metadata: Sendable {
  let header: QCow2Header
  let extensions: QCow2Extensions
  let snapshots: [QCow2Snapshot]
  let areas: MetadataAreas
  /// The backing file's name as stored, if there is one.
  let backingName: [UInt8]?

  /// Reads the metadata of `file`; throws `ImageError` without a file's name, `LayoutError` with an offset in the file,
  /// or `IOError`.
  init(of file: any BlockSource, forcesCorrupt: Bool) throws {
    var first = Buffer(count: 512)
    var head = first.mutablePrefix(Int(min(512, file.byteCount)))
    try file.read(at: 0, into: &head)
    header = try Self.header(first.prefix(Int(min(512, file.byteCount))))

    var cluster = Buffer(count: Int(min(header.clusterSize, file.byteCount)))
    var bytes = cluster.mutablePrefix(cluster.count)
    try file.read(at: 0, into: &bytes)
    let end = header.backingNameOffset == 0 ? Int(header.clusterSize) : Int(clamping: header.backingNameOffset)
    extensions = try QCow2Extensions(parsing: cluster.prefix(cluster.count), from: Int(header.length), to: end)
    try Self.checkSupport(header, extensions, forcesCorrupt: forcesCorrupt)
    try header.checkFields()
    backingName = try Self.backingName(header, cluster.prefix(cluster.count))

    var areas = MetadataAreas(clusterSize: header.clusterSize, fileSize: file.byteCount)
    try areas.add(
      "refcount table", at: header.refcountTableOffset, count: header.refcountTableBytes, field: 48)
    if header.l1Count > 0 {
      try Self.checkTable(header.l1Count, of: "L1 table", field: 36)
      try areas.add("L1 table", at: header.l1Offset, count: UInt64(header.l1Count) * 8, field: 40)
    }
    if header.snapshotCount > 0 {
      let table = try QCow2Snapshot.table(in: file, at: header.snapshotTableOffset, count: header.snapshotCount)
      try areas.add("snapshot table", at: header.snapshotTableOffset, count: table.byteCount, field: 64)
      snapshots = table.snapshots
    } else {
      snapshots = []
    }
    self.areas = areas
  }

  private static func header(_ bytes: RawSpan) throws -> QCow2Header {
    try bytes.require(8, of: "header")
    guard bytes.bigEndian(at: 0, as: UInt32.self) == 0x5146_49fb else {
      throw LayoutError("this is not a qcow2 image: the magic number is missing", at: 0)
    }
    let version = bytes.bigEndian(at: 4, as: UInt32.self)
    guard 2...3 ~= version else {
      throw ImageError(
        .unsupported, format: "qcow2", offset: 4, "version \(version) of the format; versions 2 and 3 are supported")
    }
    return try QCow2Header(parsing: bytes)
  }

  /// Throws for what this driver does not read.
  private static func checkSupport(
    _ header: QCow2Header, _ extensions: QCow2Extensions, forcesCorrupt: Bool
  ) throws(ImageError) {
    let unknown = header.incompatible & ~QCow2Features.supported
    if unknown != 0 {
      let names = QCow2Features.describe(unknown, .incompatible, table: extensions.featureNames)
      throw ImageError(
        .unsupported, format: "qcow2", offset: 72,
        "the image needs features that are not supported: \(names.joined(separator: ", "))")
    }
    switch header.encryption {
    case 0: break
    case 1: throw encrypted("AES")
    case 2: throw encrypted("LUKS")
    default:
      throw ImageError(
        .unsupported, format: "qcow2", offset: 32, "the encryption method \(header.encryption) is not known")
    }
    guard header.compression <= 1 else {
      throw ImageError(
        .unsupported, format: "qcow2", offset: 104,
        "the compression type \(header.compression) is not known; zlib (0) and zstd (1) are supported")
    }
    guard header.incompatible & QCow2Features.corrupt == 0 || forcesCorrupt else {
      throw ImageError(
        .refused, format: "qcow2", offset: 72,
        "the image is marked corrupt; repair a copy with `qemu-img check -r all`, or read it as it is with "
          + "--force-corrupt")
    }
  }

  private static func encrypted(_ method: String) -> ImageError {
    ImageError(
      .unsupported, format: "qcow2", offset: 32,
      "the image is encrypted (\(method)), which is not supported; decrypt it first with `qemu-img convert`")
  }

  /// Throws unless a table of `count` entries fits the format's limit of 32 MiB.
  static func checkTable(_ count: UInt32, of name: String, field: Int) throws(LayoutError) {
    guard count <= 4_194_304 else {
      throw LayoutError("the \(name) has \(count) entries; at most 4194304 (32 MiB) are possible", at: field)
    }
  }

  private static func backingName(_ header: QCow2Header, _ cluster: RawSpan) throws(LayoutError) -> [UInt8]? {
    guard header.backingNameOffset != 0, header.backingNameLength > 0 else { return nil }
    let start = Int(header.backingNameOffset)
    try cluster.require(start + Int(header.backingNameLength), of: "backing file's name")
    return cluster.slice(start, Int(header.backingNameLength)).array
  }
}
