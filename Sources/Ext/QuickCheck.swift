import BlockIO
import Bytes
import Filesystems

/// Looks at the superblock and its copies, the groups' descriptors, the journal's beginning and the root directory.
struct QuickCheck {
  var report = CheckReport()
  private let blocks: VolumeBlocks
  private let sourceByteCount: UInt64
  /// Copies of the superblock that are looked at: all with sparse_super, the first without.
  private static let mostCopies = 64
  /// Descriptors that are looked at, a second's worth.
  private static let mostGroups: UInt64 = 1 << 21

  init(_ blocks: VolumeBlocks, sourceByteCount: UInt64) {
    self.blocks = blocks
    self.sourceByteCount = sourceByteCount
  }

  mutating func run() throws {
    try checkSize()
    try checkCopies()
    try checkGroups()
    try checkRoot()
    try checkJournal()
    report.unchecked = ["the inode tables", "the block and inode bitmaps", "directories below the root", "contents"]
  }

  /// Runs `body`; damage that it finds is a finding, errors of reading are errors.
  private mutating func looking(_ body: () throws -> Void) throws {
    do { try body() } catch let error as ImageError { report.add(.damage, error.description) }
  }

  private mutating func checkSize() throws {
    let size = blocks.superblock.blockCount << UInt64(blocks.superblock.blockBits)
    report.checked.append("the volume's size")
    guard size > sourceByteCount else { return }
    report.add(
      .damage, "the volume has \(describeSize(size)), and only \(describeSize(sourceByteCount)) are there")
  }

  private mutating func checkCopies() throws {
    var count = 0
    for group in 1..<max(min(blocks.layout.groupCount, Self.mostGroups), 1) {
      guard count < Self.mostCopies else { break }
      guard blocks.layout.hasSuperblock(group) else { continue }
      count += 1
      let offset = blocks.layout.superblockOffset(of: group)
      guard offset + UInt64(Superblock.byteCount) <= sourceByteCount else { continue }
      let block = try MetadataBlock(of: blocks.source, at: offset, count: Superblock.byteCount)
      do throws(LayoutError) {
        let copy = try Superblock(parsing: block.bytes)
        if !copy.agrees(with: blocks.superblock) {
          report.add(
            .notice, "the superblock's copy in block group \(group) (at offset \(offset.hex)) says another layout")
        }
      } catch {
        report.add(
          .notice,
          "the superblock's copy in block group \(group) is unusable: \(error.detail) (at offset \(offset.hex))")
      }
    }
    report.checked.append(count == 0 ? "the superblock" : "the superblock and \(count) copies")
  }

  private mutating func checkGroups() throws {
    let count = min(blocks.layout.groupCount, Self.mostGroups)
    let table = UInt64(blocks.superblock.inodesPerGroup) * UInt64(blocks.superblock.inodeSize)
    let tableBlocks = (table + UInt64(blocks.blockSize) - 1) / UInt64(blocks.blockSize)
    var bad = 0
    for group in 0..<count {
      do {
        let descriptor = try blocks.descriptor(of: group)
        _ = try blocks.offset(of: descriptor.blockBitmap, for: "the block bitmap of block group \(group)")
        _ = try blocks.offset(of: descriptor.inodeBitmap, for: "the inode bitmap of block group \(group)")
        _ = try blocks.offset(
          of: descriptor.inodeTable, count: tableBlocks, for: "the inode table of block group \(group)")
      } catch let error as ImageError {
        bad += 1
        if bad <= 8 { report.add(.damage, error.description) }
      }
    }
    if bad > 8 { report.add(.damage, "\(bad) block groups of \(count) have damaged descriptors") }
    report.checked.append("the descriptors of \(count) block groups")
  }

  private mutating func checkRoot() throws {
    let blocks = blocks
    try looking {
      let root = try blocks.inode(ExtVolume.rootInode)
      guard root.kind == .directory else { throw blocks.damaged("the root is not a directory", at: root.offset) }
      _ = try DirectoryListing(root, blocks).entries(from: 0, limit: 1024)
    }
    report.checked.append("the root directory")
    if blocks.superblock.lastOrphan != 0 {
      report.add(.notice, "files without a name wait to be removed; e2fsck or the next mount frees them")
    }
  }

  private mutating func checkJournal() throws {
    guard blocks.superblock.compatible.contains(.hasJournal), blocks.superblock.journalInode != 0 else { return }
    let blocks = blocks
    try looking { _ = try JournalLog(of: blocks) }
    report.checked.append("the journal's superblock")
  }
}

extension Superblock {
  /// Whether a copy of the superblock describes the same layout; counts, states and times differ by nature, and so do
  /// features that are set while a volume is in use.
  func agrees(with other: Superblock) -> Bool {
    blockBits == other.blockBits && clusterBits == other.clusterBits && blockCount == other.blockCount
      && blocksPerGroup == other.blocksPerGroup && inodesPerGroup == other.inodesPerGroup
      && inodeCount == other.inodeCount && inodeSize == other.inodeSize && uuid == other.uuid
      && firstDataBlock == other.firstDataBlock && descriptorSize == other.descriptorSize
  }
}
