import Bytes
import Filesystems

/// Lists a directory's entries in the order in which they lie.
///
/// A position is an offset in the directory; in one that lies in its inode, in the 60 bytes of the map and then in the
/// attribute `system.data`.
struct DirectoryListing {
  private let inode: Inode
  private let blocks: VolumeBlocks
  private let hasTypes: Bool
  /// Most entries that are returned at once, whatever the caller asks.
  private static let batch = 4096
  /// Bytes before the entries of a directory that lies in its inode: the number of the parent.
  static let inlineStart = 4

  init(_ inode: Inode, _ blocks: VolumeBlocks) {
    self.inode = inode
    self.blocks = blocks
    hasTypes = blocks.superblock.incompatible.contains(.fileType)
  }

  /// At most `limit` entries from `position` on.
  func entries(from position: UInt64, limit: Int) throws -> [DirectoryEntry] {
    let limit = min(max(limit, 1), Self.batch)
    var result: [DirectoryEntry] = []
    if inode.flags.contains(.inlineData) {
      for part in try Self.inlineParts(inode, blocks) {
        try add(part.bytes.raw, at: part.start, place: inode.offset, from: position, limit: limit, &result)
      }
      return result
    }
    let directory = try Directory(inode, blocks)
    let bits = UInt64(blocks.superblock.blockBits)
    var number = position >> bits
    while number < directory.blockCount, result.count < limit {
      let block = try directory.block(number)
      try add(block.bytes, at: number << bits, place: block.offset, from: position, limit: limit, &result)
      number += 1
    }
    return result
  }

  /// The pieces of a directory that lies in its inode, with the positions where they start.
  static func inlineParts(_ inode: Inode, _ blocks: VolumeBlocks) throws -> [(bytes: [UInt8], start: UInt64)] {
    let map = inode.map.slice(inlineStart, Inode.mapByteCount - inlineStart).array
    let rest = try AttributeReader(inode, blocks).inlineData() ?? []
    return [(map, UInt64(inlineStart)), (rest, UInt64(Inode.mapByteCount))]
  }

  /// Adds the entries in `bytes`, which start at the position `start`.
  private func add(
    _ bytes: RawSpan, at start: UInt64, place: UInt64, from position: UInt64, limit: Int,
    _ result: inout [DirectoryEntry]
  ) throws {
    var block = DirectoryBlock(bytes, hasTypes: hasTypes)
    while result.count < limit {
      let next: DirectoryBlock.Entry?
      do throws(LayoutError) { next = try block.next() } catch {
        throw blocks.damaged(error, in: "directory \(inode.number)", at: place)
      }
      guard let entry = next else { return }
      guard start + UInt64(entry.offset) >= position, !block.isDot(entry) else { continue }
      guard entry.inode <= blocks.superblock.inodeCount else {
        throw blocks.damaged(
          "directory \(inode.number) names inode \(entry.inode), and there are \(blocks.superblock.inodeCount)",
          at: place + UInt64(entry.offset))
      }
      result.append(
        DirectoryEntry(
          name: shownName(block.name(entry)), file: FileID(UInt64(entry.inode)),
          kind: FileKind(directoryType: entry.type), next: start + UInt64(entry.end)))
    }
  }

  /// A name as it is listed: encrypted ones in letters, since their bytes may be anything.
  private func shownName(_ bytes: [UInt8]) -> FileName {
    inode.flags.contains(.encrypted) ? FileName(EncryptedName.shown(bytes)) : FileName(bytes)
  }
}
