import Bytes
import Filesystems

/// Reads an inode's extended attributes: behind its fields, in a block, and values that have inodes of their own.
struct AttributeReader {
  private let inode: Inode
  private let blocks: VolumeBlocks
  /// Bytes that all names and values may take.
  private static let limit = 1 << 20

  init(_ inode: Inode, _ blocks: VolumeBlocks) {
    self.inode = inode
    self.blocks = blocks
  }

  /// All that users may see.
  func all() throws -> [ExtendedAttribute] {
    var result: [ExtendedAttribute] = []
    var total = 0
    if let (start, area) = insideStart() {
      try list(inode.bytes, from: start, valueBase: start, at: inode.offset, area, &result, &total)
    }
    if let block = try attributeBlock() {
      try list(
        block.bytes, from: AttributeBlock.entriesOffset, valueBase: 0, at: block.offset,
        "the block of extended attributes of inode \(inode.number)", &result, &total)
    }
    return result
  }

  /// The rest of contents that lie in the inode (inline_data): the attribute `system.data`; nil where there is none.
  func inlineData() throws -> [UInt8]? {
    guard let (start, area) = insideStart() else { return nil }
    let bytes = inode.bytes
    var entries = AttributeEntries(bytes, from: start, valueBase: start)
    do throws(LayoutError) {
      while let entry = try entries.next() {
        guard isInlineData(entry, bytes), entry.valueInode == 0 else { continue }
        return bytes.slice(entry.valueOffset, entry.valueSize).array
      }
    } catch { throw blocks.damaged(error, in: area, at: inode.offset) }
    return nil
  }

  /// Where the entries inside the inode start, and what to call them; nil where there are none.
  private func insideStart() -> (Int, String)? {
    guard let extra = inode.extraByteCount, inode.byteCount > Inode.oldByteCount else { return nil }
    let start = Inode.oldByteCount + extra
    // Without extra fields the rest may be anything.
    guard extra > 0, inode.byteCount - start >= 8,
      inode.bytes.littleEndian(at: start) == AttributeBlock.magic
    else { return nil }
    return (start + 4, "inode \(inode.number)'s list of extended attributes")
  }

  private func attributeBlock() throws -> MetadataBlock? {
    guard inode.attributeBlock != 0 else { return nil }
    return try blocks.attributeBlock(inode.attributeBlock, of: inode.number)
  }

  private func isInlineData(_ entry: AttributeEntries.Entry, _ bytes: RawSpan) -> Bool {
    entry.namespace == AttributeNamespace.system && bytes.slice(entry.nameOffset, entry.nameLength).text == "data"
  }

  private func list(
    _ bytes: RawSpan, from start: Int, valueBase: Int, at offset: UInt64, _ area: String,
    _ result: inout [ExtendedAttribute], _ total: inout Int
  ) throws {
    var entries = AttributeEntries(bytes, from: start, valueBase: valueBase)
    while true {
      let next: AttributeEntries.Entry?
      do throws(LayoutError) { next = try entries.next() } catch {
        throw blocks.damaged(error, in: area, at: offset)
      }
      guard let entry = next else { return }
      guard !isInlineData(entry, bytes), let prefix = AttributeNamespace.prefix(entry.namespace) else { continue }
      total += entry.nameLength + entry.valueSize
      guard total <= Self.limit else {
        throw blocks.damaged("inode \(inode.number) has more than 1 MiB of extended attributes", at: inode.offset)
      }
      let name = Array(prefix.utf8) + bytes.slice(entry.nameOffset, entry.nameLength).array
      let stored =
        entry.valueInode == 0 ? bytes.slice(entry.valueOffset, entry.valueSize).array : try self.value(in: entry)
      let value = try shown(stored, entry, at: offset)
      result.append(ExtendedAttribute(name: FileName(name), value: value))
    }
  }

  /// A value as getxattr(2) gives it.
  private func shown(_ value: [UInt8], _ entry: AttributeEntries.Entry, at offset: UInt64) throws -> [UInt8] {
    guard entry.namespace == AttributeNamespace.accessACL || entry.namespace == AttributeNamespace.defaultACL else {
      return value
    }
    guard let list = PosixACL.unpacked(value.raw) else {
      throw blocks.damaged(
        "inode \(inode.number) has a malformed access control list", at: offset + UInt64(entry.offset))
    }
    return list
  }

  /// A value that is the contents of an inode of its own (ea_inode), its hash verified.
  private func value(in entry: AttributeEntries.Entry) throws -> [UInt8] {
    let holder = try blocks.inode(UInt64(entry.valueInode))
    guard holder.flags.contains(.attributeValue), !holder.flags.contains(.inlineData), holder.kind == .regular,
      holder.size == UInt64(entry.valueSize)
    else {
      throw blocks.damaged(
        "inode \(entry.valueInode) does not hold the value of an attribute of inode \(inode.number)",
        at: holder.offset)
    }
    let contents = try MappedContents(BlockMap(of: holder, blocks), byteCount: holder.size)
    var bytes = [UInt8](repeating: 0, count: entry.valueSize)
    var span = bytes.mutableSpan
    var raw = unsafe span.mutableBytes
    try contents.read(at: 0, into: &raw)
    try verify(bytes, of: holder)
    return bytes
  }

  /// Compares a value with its hash, which lies where the time of the last access would; Lustre's old form has the
  /// file's own number and generation instead.
  private func verify(_ value: [UInt8], of holder: Inode) throws {
    let modified: UInt32 = holder.bytes.littleEndian(at: Inode.Field.modified)
    if modified == inode.number, holder.generation == inode.generation { return }
    var crc = CRC32C(register: blocks.superblock.checksumSeed)
    crc.update(value.raw)
    guard crc.register == holder.bytes.littleEndian(at: Inode.Field.accessed, as: UInt32.self) else {
      throw blocks.damaged(
        "the hash of the extended attribute in inode \(holder.number) does not match its bytes", at: holder.offset)
    }
  }
}

extension VolumeBlocks {
  /// The block of extended attributes of the inode `number`, its checksum verified.
  func attributeBlock(_ block: UInt64, of number: UInt32) throws -> MetadataBlock {
    let name = "the block of extended attributes of inode \(number)"
    // Inodes may share a block, so that it is checked as itself.
    return try self.block(block, as: .attributes, of: 0, for: name) { held in
      guard held.bytes.littleEndian(at: 0) == AttributeBlock.magic else {
        throw damaged("\(name) has no magic number", at: held.offset)
      }
      guard superblock.hasMetadataChecksums else { return }
      let checksum = AttributeBlock.checksum(of: held.bytes, number: block, seed: superblock.checksumSeed)
      guard checksum == held.bytes.littleEndian(at: AttributeBlock.checksumOffset, as: UInt32.self) else {
        throw damaged("the checksum of \(name) does not match its bytes", at: held.offset)
      }
    }
  }
}
