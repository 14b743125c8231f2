import BlockIO
import Filesystems
import Glibc
import Support

// What Glibc's Swift module leaves out.
@_silgen_name("lgetxattr")
private func lgetxattr(
  _ path: UnsafePointer<CChar>, _ name: UnsafePointer<CChar>, _ value: UnsafeMutablePointer<UInt8>, _ size: Int
) -> Int
@_silgen_name("llistxattr")
private func llistxattr(_ path: UnsafePointer<CChar>, _ list: UnsafeMutablePointer<CChar>, _ size: Int) -> Int
/// The next byte of a file that is stored (lseek(2)).
private let seekData: Int32 = 3

/// Compares a driver's view of a volume with the kernel's, or with the tree that it was made from.
struct TreeComparison {
  /// What is compared beside names, kinds, modes, owners, sizes, contents, links and attributes.
  struct Scope: OptionSet {
    let rawValue: Int
    /// Times in full, link counts, places taken and inode numbers.
    static let everything = Scope(rawValue: 1)
    /// Link counts of what is no directory.
    static let links = Scope(rawValue: 2)
  }

  let filesystem: any Filesystem
  let scope: Scope
  private(set) var differences: [String] = []
  private(set) var fileCount = 0
  private(set) var byteCount: UInt64 = 0
  private static let mostDifferences = 20
  // Room that is used for one file after the other.
  private var ours = [UInt8](repeating: 0, count: 1 << 20)
  private var theirs = [UInt8](repeating: 0, count: 1 << 20)
  private var value = [UInt8](repeating: 0, count: 1 << 17)
  private var names = [CChar](repeating: 0, count: 65536)

  init(_ filesystem: any Filesystem, _ scope: Scope = .everything) {
    self.filesystem = filesystem
    self.scope = scope
  }

  /// Compares everything below `folder` with everything below the root.
  mutating func run(_ folder: String) throws {
    try compare(Array(folder.utf8), filesystem.root)
  }

  private mutating func differ(_ path: [UInt8], _ what: String) {
    guard differences.count < Self.mostDifferences else { return }
    differences.append(FileName(path).description + ": " + what)
  }

  private mutating func compare(_ path: [UInt8], _ file: FileID) throws {
    fileCount += 1
    var status = stat()
    let cPath = path.map { CChar(bitPattern: $0) } + [0]
    guard lstat(cPath, &status) == 0 else { return differ(path, "lstat: \(errno)") }
    let attributes = try filesystem.attributes(of: file)
    compareStatus(path, status, attributes, file)
    try compareExtended(path, cPath, file)
    switch attributes.kind {
    case .directory: try compareDirectory(path, cPath, file)
    case .regular: try compareContents(path, cPath, file, status)
    case .symbolicLink:
      let count = readlink(cPath, &names, names.count)
      let found = try filesystem.symbolicLinkTarget(of: file)
      let expected = names.prefix(max(count, 0)).map { UInt8(bitPattern: $0) }
      if found.bytes != expected { differ(path, "link of \(found.bytes.count) bytes, not \(count)") }
    default: break
    }
  }

  private mutating func compareStatus(
    _ path: [UInt8], _ status: stat, _ found: FileAttributes, _ file: FileID
  ) {
    func check(_ name: String, _ ours: some Equatable & CustomStringConvertible, _ theirs: some CustomStringConvertible)
    {
      if "\(ours)" != "\(theirs)" { differ(path, "\(name) \(ours), not \(theirs)") }
    }
    check("mode", UInt32(found.mode), status.st_mode)
    check("owner", found.owner, status.st_uid)
    check("group", found.group, status.st_gid)
    if found.kind != .directory { check("size", found.byteCount, status.st_size) }
    if found.kind == .characterDevice || found.kind == .blockDevice {
      check("major", found.device?.major ?? 0, (status.st_rdev >> 8 & 0xfff) | (status.st_rdev >> 32 & 0xffff_f000))
      check("minor", found.device?.minor ?? 0, (status.st_rdev & 0xff) | (status.st_rdev >> 12 & 0xffff_ff00))
    }
    if scope.contains(.links), found.kind != .directory { check("links", found.linkCount, status.st_nlink) }
    guard scope.contains(.everything) else { return }
    check("directory size", found.byteCount, status.st_size)
    check("inode", file.number, status.st_ino)
    check("links", found.linkCount, status.st_nlink)
    check("taken", found.allocatedByteCount, UInt64(status.st_blocks) * 512)
    func check(_ name: String, _ ours: Timestamp?, _ theirs: timespec) {
      if ours != Timestamp(seconds: Int64(theirs.tv_sec), nanoseconds: UInt32(theirs.tv_nsec)) {
        differ(path, "\(name) \(ours.map { "\($0)" } ?? "none"), not \(theirs.tv_sec).\(theirs.tv_nsec)")
      }
    }
    check("modified", found.modified, status.st_mtim)
    check("changed", found.changed, status.st_ctim)
    check("accessed", found.accessed, status.st_atim)
  }

  private mutating func compareExtended(_ path: [UInt8], _ cPath: [CChar], _ file: FileID) throws {
    let count = llistxattr(cPath, &names, names.count)
    var expected: [[UInt8]: [UInt8]] = [:]
    for name in names.prefix(max(count, 0)).split(separator: 0) {
      let length = lgetxattr(cPath, Array(name) + [0], &value, value.count)
      expected[name.map { UInt8(bitPattern: $0) }] = Array(value.prefix(max(length, 0)))
    }
    let list = try filesystem.extendedAttributes(of: file)
    var found: [[UInt8]: [UInt8]] = [:]
    for attribute in list { found[attribute.name.bytes] = attribute.value }
    if found != expected || list.count != expected.count {
      differ(path, "attributes \(list.map(\.name)), not \(expected.keys.map { FileName($0) }), or values")
    }
  }

  private mutating func compareDirectory(_ path: [UInt8], _ cPath: [CChar], _ file: FileID) throws {
    guard let stream = opendir(cPath) else { return differ(path, "opendir: \(errno)") }
    var expected: Set<[UInt8]> = []
    while let entry = readdir(stream) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if FileName(name).isOrdinary { expected.insert(name) }
    }
    closedir(stream)
    var found: [DirectoryEntry] = []
    var position: UInt64 = 0
    while true {
      let batch = try filesystem.entries(of: file, from: position, limit: 1 + found.count % 300)
      guard let last = batch.last else { break }
      found += batch
      position = last.next
    }
    if Set(found.map(\.name.bytes)) != expected || found.count != expected.count {
      differ(path, "\(found.count) names, not \(expected.count)")
    }
    if try filesystem.lookup("no such name", in: file) != nil { differ(path, "a name that is not there was found") }
    for (index, entry) in found.enumerated() {
      if try filesystem.lookup(entry.name, in: file) != entry.file { differ(path, "lookup of \(entry.name)") }
      if found.count > 5000, index % 53 != 0 { continue }
      if let kind = entry.kind, try filesystem.attributes(of: entry.file).kind != kind {
        differ(path, "kind of \(entry.name)")
      }
      try compare(path + [UInt8(ascii: "/")] + entry.name.bytes, entry.file)
    }
  }

  private mutating func compareContents(_ path: [UInt8], _ cPath: [CChar], _ file: FileID, _ status: stat) throws {
    let contents = try filesystem.contents(of: file)
    guard contents.byteCount == UInt64(status.st_size) else { return differ(path, "size of contents") }
    let descriptor = open(cPath, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return differ(path, "open: \(errno)") }
    defer { close(descriptor) }
    var offset: UInt64 = 0
    while offset < contents.byteCount {
      let extent = try contents.extent(at: offset, limit: contents.byteCount)
      guard extent.offset == offset, extent.length > 0, extent.end <= contents.byteCount else {
        return differ(path, "extent \(extent) at \(offset)")
      }
      var from = offset
      if extent.kind != .data {
        // What lies in a hole must be a hole for the kernel too, or zeroes.
        let data = lseek(descriptor, off_t(offset), seekData)
        from = data < 0 ? extent.end : min(UInt64(data), extent.end)
      }
      while from < extent.end {
        let count = min(1 << 20, Int(extent.end - from))
        try ours.withUnsafeMutableBytes { bytes in
          var span = MutableRawSpan(_unsafeBytes: bytes)
          var front = span._mutatingExtracting(first: count)
          try contents.read(at: from, into: &front)
        }
        let got = pread(descriptor, &theirs, count, off_t(from))
        if got != count || ours.prefix(count) != theirs.prefix(count) { return differ(path, "contents at \(from)") }
        from += UInt64(count)
        byteCount += UInt64(count)
      }
      offset = extent.end
    }
  }
}
