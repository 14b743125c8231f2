package import BlockIO
import Bytes
package import Filesystems

/// A filesystem in memory whose directories may say anything, for tests of what looks into volumes.
package final class MemoryFilesystem: Filesystem {
  /// A file or directory.
  package struct Node {
    package var attributes: FileAttributes
    /// Stored ranges of a regular file; what lies between them is a hole.
    package var ranges: [(offset: UInt64, bytes: [UInt8])] = []
    package var entries: [(name: FileName, file: UInt64)] = []
    package var target = FileName("")
    package var extended: [ExtendedAttribute] = []
    /// Thrown by whoever reads the contents or entries.
    package var failure: ImageError?

    package init(attributes: FileAttributes, ranges: [(offset: UInt64, bytes: [UInt8])] = []) {
      self.attributes = attributes
      self.ranges = ranges
    }
  }

  package internal(set) var nodes: [UInt64: Node] = [:]
  package let type = "memory"
  package let identity = VolumeIdentity(type: "memory", label: "test", uuid: nil)
  package var warnings: [String] = []
  /// Why the volume must not be written; nil where it may be.
  package var refusal: String?
  /// Names that cannot be made, and why.
  package var lacks: [FileName: FileError.Reason] = [:]
  /// Transactions and finishes so far.
  package internal(set) var transactionCount = 0
  package internal(set) var finishCount = 0
  package let root = FileID(1)

  package init() {
    nodes[1] = Node(attributes: Self.attributes(.directory))
  }

  package static func attributes(_ kind: FileKind, permissions: UInt16? = nil, byteCount: UInt64 = 0) -> FileAttributes
  {
    FileAttributes(
      kind: kind, permissions: permissions ?? (kind == .directory ? 0o755 : 0o644), byteCount: byteCount,
      allocatedByteCount: byteCount, modified: Timestamp(seconds: 1_600_000_000, nanoseconds: 123_456_789))
  }

  /// Adds a node that no directory names yet, and returns its number.
  package func add(_ node: Node) -> UInt64 {
    let number = (nodes.keys.max() ?? 0) + 1
    nodes[number] = node
    return number
  }

  /// Adds a directory.
  @discardableResult
  package func addFolder(_ name: FileName, in folder: UInt64 = 1) -> UInt64 {
    link(add(Node(attributes: Self.attributes(.directory))), as: name, in: folder)
  }

  /// Adds a regular file.
  @discardableResult
  package func addFile(_ name: FileName, in folder: UInt64 = 1, _ bytes: [UInt8] = []) -> UInt64 {
    let node = Node(
      attributes: Self.attributes(.regular, byteCount: UInt64(bytes.count)),
      ranges: bytes.isEmpty ? [] : [(offset: UInt64(0), bytes: bytes)])
    return link(add(node), as: name, in: folder)
  }

  /// Adds a symbolic link.
  @discardableResult
  package func addLink(_ name: FileName, to target: FileName, in folder: UInt64 = 1) -> UInt64 {
    var node = Node(attributes: Self.attributes(.symbolicLink, byteCount: UInt64(target.bytes.count)))
    node.target = target
    return link(add(node), as: name, in: folder)
  }

  /// Gives a node a name, whatever else is called so.
  @discardableResult
  package func link(_ file: UInt64, as name: FileName, in folder: UInt64 = 1) -> UInt64 {
    nodes[folder]?.entries.append((name, file))
    return file
  }

  /// Changes a node.
  package func change(_ file: UInt64, _ body: (inout Node) -> Void) {
    guard var node = nodes[file] else { return }
    body(&node)
    nodes[file] = node
  }

  func node(_ file: FileID) throws -> Node {
    guard let node = nodes[file.number] else { throw ImageError(.damaged, format: type, "no node \(file.number)") }
    return node
  }

  package func statistics() -> VolumeStatistics {
    VolumeStatistics(blockSize: 512, blockCount: 1000, freeBlockCount: 10)
  }

  package func lookup(_ name: FileName, in directory: FileID) throws -> FileID? {
    try node(directory).entries.first { $0.name == name }.map { FileID($0.file) }
  }

  package func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    let node = try node(directory)
    if let failure = node.failure { throw failure }
    return node.entries.enumerated().dropFirst(Int(position)).prefix(limit).map { index, entry in
      DirectoryEntry(
        name: entry.name, file: FileID(entry.file), kind: index % 2 == 0 ? nodes[entry.file]?.attributes.kind : nil,
        next: UInt64(index) + 1)
    }
  }

  package func attributes(of file: FileID) throws -> FileAttributes { try node(file).attributes }

  package func contents(of file: FileID) throws -> any FileContents { MemoryContents(try node(file)) }

  package func symbolicLinkTarget(of file: FileID) throws -> FileName { try node(file).target }

  package func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute] { try node(file).extended }

  package func allocation(at offset: UInt64, limit: UInt64) -> Extent {
    Extent(.data, offset: offset, length: limit - offset)
  }

  package func quickCheck() -> CheckReport {
    var report = CheckReport()
    report.checked = ["everything"]
    return report
  }
}

/// The contents of a node.
private final class MemoryContents: FileContents {
  private let node: MemoryFilesystem.Node
  init(_ node: MemoryFilesystem.Node) { self.node = node }

  var byteCount: UInt64 { node.attributes.byteCount }

  func extent(at offset: UInt64, limit: UInt64) throws -> Extent {
    for range in node.ranges {
      let end = range.offset + UInt64(range.bytes.count)
      if offset < range.offset {
        return Extent(.unallocated, offset: offset, length: min(range.offset, limit) - offset)
      }
      if offset < end { return Extent(.data, offset: offset, length: min(end, limit) - offset) }
    }
    return Extent(.unallocated, offset: offset, length: limit - offset)
  }

  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    if let failure = node.failure { throw failure }
    for index in 0..<buffer.byteCount {
      let place = offset + UInt64(index)
      let range = node.ranges.first { place >= $0.offset && place < $0.offset + UInt64($0.bytes.count) }
      buffer.storeBytes(
        of: range.map { $0.bytes[Int(place - $0.offset)] } ?? 0, toByteOffset: index, as: UInt8.self)
    }
  }
}
