package import BlockIO
import Bytes
package import Filesystems

/// An ext2, ext3 or ext4 volume.
///
/// A journal that was not written back is laid over the volume in memory; the first transaction writes it back.
package final class ExtVolume: Filesystem {
  let blocks: VolumeBlocks
  /// What is needed for changing the volume; nil where it was opened for reading.
  let writing: Writing?
  package let warnings: [String]
  /// Size of what the volume was opened on, in bytes.
  let sourceByteCount: UInt64
  private var flagWords: (flags: InodeFlags, words: [String]) = ([], [])
  var counts: VolumeStatistics?

  /// Number of the root directory's inode.
  static let rootInode: UInt64 = 2

  /// Opens the volume; throws `ImageError` where it is damaged or uses what is not supported.
  package init(_ source: any BlockSource) throws {
    let opened = try VolumeOpening.open(source)
    blocks = opened.blocks
    warnings = opened.warnings
    sourceByteCount = source.byteCount
    writing = nil
    try requireRoot()
  }

  /// Opens the volume for changing it; in a rehearsal contents of files are neither read nor written.
  package init(writing store: any BlockStore, isRehearsal: Bool = false) throws {
    let opened = try VolumeOpening.open(writing: store, isRehearsal: isRehearsal)
    blocks = opened.changes.blocks
    warnings = opened.warnings
    sourceByteCount = (store as any BlockSource).byteCount
    writing = Writing(opened.changes, Commit(opened.changes, opened.recovery))
    try requireRoot()
  }

  private func requireRoot() throws {
    let root = try blocks.inode(Self.rootInode)
    guard root.kind == .directory else { throw blocks.damaged("the root is not a directory", at: root.offset) }
  }

  package var type: String { blocks.type }
  package var root: FileID { FileID(Self.rootInode) }

  package var identity: VolumeIdentity {
    let superblock = blocks.superblock
    return VolumeIdentity(
      type: type, label: superblock.label.isEmpty ? nil : superblock.label, uuid: superblock.uuidText,
      features: superblock.featureNames)
  }

  package func lookup(_ name: FileName, in directory: FileID) throws -> FileID? {
    try DirectoryLookup(name, in: self.directory(directory), blocks).find()
  }

  package func entries(of directory: FileID, from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    try DirectoryListing(self.directory(directory), blocks).entries(from: position, limit: limit)
  }

  package func attributes(of file: FileID) throws -> FileAttributes {
    let inode = try blocks.inode(file.number)
    guard var attributes = inode.attributes(blocks.superblock) else {
      throw blocks.damaged("the mode of inode \(file.number) stands for no kind of file", at: inode.offset)
    }
    if flagWords.flags != inode.flags { flagWords = (inode.flags, inode.flags.words) }
    attributes.flags = flagWords.words
    return attributes
  }

  package func contents(of file: FileID) throws -> any FileContents {
    let inode = try blocks.inode(file.number)
    switch inode.kind {
    case .regular: break
    case .directory: throw FileError(.isADirectory, "inode \(file.number)")
    default: throw FileError(.notARegularFile, "inode \(file.number)")
    }
    guard !inode.flags.contains(.encrypted) else { throw FileError(.encrypted, "inode \(file.number)") }
    if inode.flags.contains(.inlineData) { return try InlineContents(of: inode, blocks) }
    return try MappedContents(BlockMap(of: inode, blocks), byteCount: inode.size)
  }

  package func symbolicLinkTarget(of file: FileID) throws -> FileName {
    try blocks.target(of: blocks.inode(file.number))
  }

  package func extendedAttributes(of file: FileID) throws -> [ExtendedAttribute] {
    try AttributeReader(blocks.inode(file.number), blocks).all()
  }

  package func statistics() throws -> VolumeStatistics {
    if let counts { return counts }
    let found = try SpaceMap(blocks).statistics()
    counts = found
    return found
  }

  package func allocation(at offset: UInt64, limit: UInt64) throws -> Extent {
    try SpaceMap(blocks).extent(at: offset, limit: limit)
  }

  package func quickCheck() throws -> CheckReport {
    var check = QuickCheck(blocks, sourceByteCount: sourceByteCount)
    try check.run()
    for warning in warnings { check.report.add(.notice, warning) }
    return check.report
  }

  private func directory(_ file: FileID) throws -> Inode {
    let inode = try blocks.inode(file.number)
    guard inode.kind == .directory else { throw FileError(.notADirectory, "inode \(file.number)") }
    return inode
  }
}

extension FilesystemType {
  /// ext2, ext3 and ext4.
  package static let ext = FilesystemType(
    name: "ext2/3/4", probe: { try VolumeOpening.probe($0) }, open: { try ExtVolume($0) },
    openForWriting: { try ExtVolume(writing: $0, isRehearsal: $1) })
}

extension Superblock {
  /// The identifier as blkid(8) prints it; nil where it is all zero.
  var uuidText: String? {
    guard uuid.contains(where: { $0 != 0 }) else { return nil }
    var text = ""
    for (index, byte) in uuid.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }

  /// The features' names, in the order of dumpe2fs(8).
  var featureNames: [String] {
    bitNames(compatible.rawValue, CompatibleFeatures.names, letter: "C")
      + bitNames(incompatible.rawValue, IncompatibleFeatures.names, letter: "I")
      + bitNames(readOnly.rawValue, ReadOnlyFeatures.names, letter: "R")
  }
}
