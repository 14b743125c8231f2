package import BlockIO
import Bytes
package import Filesystems

/// Writes files and trees of a volume as a tar archive in the pax form.
///
/// Beyond ustar: long and odd names, large numbers and nanoseconds by POSIX's records, extended attributes by
/// `SCHILY.xattr`, ACLs by `SCHILY.acl` too, sparse files by GNU's form 1.0, hard links by their first name.
package final class TarWriter: TreeVisitor {
  private let filesystem: any Filesystem
  private let output: OutputPipe
  private let reader: ContentsReader
  private let walk: TreeWalk
  /// The first names of files with several links, as long as links to them may follow.
  private var firsts: [FileID: (path: [UInt8], linksLeft: UInt32)] = [:]
  package private(set) var report = ExtractionReport()
  /// Bytes of contents written so far, for progress.
  package let progress: ByteCounter
  /// Unit of the archive's size, as tar(1) has it.
  private static let recordSize: UInt64 = 10240

  package init(
    from filesystem: any Filesystem, to output: OutputPipe, progress: ByteCounter = ByteCounter(),
    isStopped: @escaping () -> Bool
  ) {
    self.filesystem = filesystem
    self.output = output
    self.progress = progress
    reader = ContentsReader(isStopped: isStopped)
    walk = TreeWalk(filesystem, isStopped: isStopped)
  }

  /// Writes what is at `place`, and below it, under its path from the volume's root.
  package func add(_ place: PathWalk.Place) throws {
    let path = place.names.isEmpty ? FileName("./") : FileName([]).appending(place.names)
    try walk.walk(place.file, named: place.names.last ?? FileName("."), path: path, self)
  }

  /// Ends the archive.
  package func finish() throws {
    try output.writeZeroes(UInt64(2 * TarHeader.blockSize))
    try output.writeZeroes((Self.recordSize - output.byteCount % Self.recordSize) % Self.recordSize)
    try output.flush()
  }

  package func enter(_ directory: TreeWalk.Node) throws -> Bool {
    let slash: [UInt8] = directory.path.bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]
    do {
      try addHeader(.directory, directory, path: directory.path.bytes + slash)
      report.folders += 1
    } catch let error where !(error is DestinationError) { fail(directory.path, error) }
    return true
  }

  package func leave(_ directory: TreeWalk.Node) {}

  package func fail(_ path: FileName, _ error: any Error) { report.fail(path.description, error) }

  package func visit(_ file: TreeWalk.Node) throws {
    do { try add(file) } catch let error where !(error is DestinationError || error is Stopped) {
      fail(file.path, error)
    }
  }

  private func add(_ file: TreeWalk.Node) throws {
    let path = file.path.bytes
    if file.attributes.linkCount > 1, let first = firsts[file.file] {
      firsts[file.file] = first.linksLeft > 2 ? (first.path, first.linksLeft - 1) : nil
      try addHeader(.hardLink, file, path: path, linkTarget: first.path)
      report.links += 1
      report.files += 1
      return
    }
    switch file.attributes.kind {
    case .regular: try addRegular(file)
    case .symbolicLink:
      try addHeader(
        .symbolicLink, file, path: path, linkTarget: try filesystem.symbolicLinkTarget(of: file.file).bytes)
    case .characterDevice: try addHeader(.characterDevice, file, path: path)
    case .blockDevice: try addHeader(.blockDevice, file, path: path)
    case .fifo: try addHeader(.fifo, file, path: path)
    case .socket, .directory:
      report.socketsLeftOut += 1
      return
    }
    report.files += 1
    if file.attributes.linkCount > 1, firsts.count < LinkRegister.limit {
      firsts[file.file] = (path, file.attributes.linkCount)
    }
  }

  private func addRegular(_ file: TreeWalk.Node) throws {
    let contents = try filesystem.contents(of: file.file)
    let size = contents.byteCount
    let map = try SparseMap(of: contents, reader)
    if !map.isSparse {
      try addHeader(.regular, file, path: file.path.bytes, byteCount: size)
      try addContents(of: contents, 0..<size, of: file)
    } else {
      var records = TarRecords()
      records.add("GNU.sparse.major", "1")
      records.add("GNU.sparse.minor", "0")
      records.add(Array("GNU.sparse.name".utf8), file.path.bytes)
      records.add("GNU.sparse.realsize", String(size))
      try addHeader(.regular, file, path: SparseMap.name(for: file.path), byteCount: map.storedByteCount, records)
      try map.write(to: output, of: contents, reader)
      try map.forEachRange(of: contents, reader) { try addContents(of: contents, $0, of: file) }
    }
    report.byteCount += size
  }

  /// Writes a range of contents and fills its last block; what cannot be read becomes zeroes, for the header has told
  /// the size.
  private func addContents(of contents: any FileContents, _ range: Range<UInt64>, of file: TreeWalk.Node) throws {
    var done = range.lowerBound
    do {
      try reader.forEachPiece(of: contents, from: range.lowerBound, to: range.upperBound) { bytes, offset in
        try output.write(bytes)
        done = offset + UInt64(bytes.byteCount)
        progress.add(UInt64(bytes.byteCount))
      }
    } catch let error where !(error is DestinationError || error is Stopped) { fail(file.path, error) }
    let block = UInt64(TarHeader.blockSize)
    let end = range.upperBound.roundedUp(to: block) ?? range.upperBound
    try output.writeZeroes(end - done)
  }

  private func addHeader(
    _ kind: TarHeader.Kind, _ file: TreeWalk.Node, path: [UInt8], linkTarget: [UInt8] = [], byteCount: UInt64 = 0,
    _ given: TarRecords = TarRecords()
  ) throws {
    let attributes = file.attributes
    var records = given
    if given.bytes.isEmpty, !Self.fits(path) { records.add(Array("path".utf8), path) }
    if !Self.fits(linkTarget) { records.add(Array("linkpath".utf8), linkTarget) }
    if !TarHeader.fits(byteCount, length: 12) { records.add("size", String(byteCount)) }
    if !TarHeader.fits(UInt64(attributes.owner), length: 8) { records.add("uid", String(attributes.owner)) }
    if !TarHeader.fits(UInt64(attributes.group), length: 8) { records.add("gid", String(attributes.group)) }
    let modified = attributes.modified
    if modified.nanoseconds > 0 || modified.seconds < 0
      || !TarHeader.fits(UInt64(clamping: modified.seconds), length: 12)
    {
      records.add("mtime", modified.decimal)
    }
    if let device = attributes.device, max(device.major, device.minor) >= 1 << 21 {
      records.add("SCHILY.devmajor", String(device.major))
      records.add("SCHILY.devminor", String(device.minor))
    }
    if kind != .hardLink { try addExtendedAttributes(of: file, to: &records) }
    var header = TarHeader(kind, name: path, mode: attributes.permissions, byteCount: byteCount)
    header.set(attributes)
    header.set(linkTarget: linkTarget)
    if !records.bytes.isEmpty { try write(records, for: path) }
    try output.write(header.bytes)
  }

  private func write(_ records: TarRecords, for path: [UInt8]) throws(DestinationError) {
    let name = Array("PaxHeaders/".utf8) + (path.split(separator: UInt8(ascii: "/")).last ?? [])
    try output.write(TarHeader(.extended, name: name, byteCount: UInt64(records.bytes.count)).bytes)
    try output.write(records.bytes)
    let rest = records.bytes.count % TarHeader.blockSize
    if rest > 0 { try output.write([UInt8](repeating: 0, count: TarHeader.blockSize - rest)) }
  }

  private func addExtendedAttributes(of file: TreeWalk.Node, to records: inout TarRecords) throws {
    for attribute in try filesystem.extendedAttributes(of: file.file) {
      // As GNU tar writes names with the sign that ends a record's key.
      let name = attribute.name.bytes.flatMap { byte in
        switch byte {
        case UInt8(ascii: "="): Array("%3D".utf8)
        case UInt8(ascii: "%"): Array("%25".utf8)
        default: [byte]
        }
      }
      records.add(Array("SCHILY.xattr.".utf8) + name, attribute.value)
      if let text = AccessControlList(attribute)?.text { records.add(text.key, text.list) }
    }
  }

  /// Whether a name fits a header's field: short, and in plain ASCII.
  private static func fits(_ name: [UInt8]) -> Bool { name.count <= 100 && name.allSatisfy { $0 < 0x80 } }
}

extension Timestamp {
  /// Seconds with their fraction, as pax writes them: `-1.5` is a second and a half before 1970.
  fileprivate var decimal: String {
    guard nanoseconds > 0 else { return String(seconds) }
    // Counted upwards from the second, but written from zero.
    let isNegative = seconds < 0
    let fraction = isNegative ? 1_000_000_000 - nanoseconds : nanoseconds
    let whole = isNegative ? (seconds + 1).magnitude : seconds.magnitude
    var digits = String(fraction)
    digits = String(repeating: "0", count: 9 - digits.utf8.count) + digits
    return "\(isNegative ? "-" : "")\(whole).\(digits)"
  }
}
