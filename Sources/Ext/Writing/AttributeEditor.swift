import BlockIO
import Bytes
import Filesystems

/// Changes an inode's extended attributes, in the inode and in its block.
///
/// `finish` puts the changes into `record` and the block; the caller writes `record`.
struct AttributeEditor {
  private(set) var record: InodeRecord
  private let changes: Changes
  private var inside: [StoredAttribute]
  private var inBlock: [StoredAttribute]
  private var isBlockChanged = false
  /// Whether the block is known to be nobody else's.
  private var isBlockOwn = false

  /// Offsets in the block's header.
  private enum Header {
    static let references = 4
    static let blockCount = 8
    static let hash = 12
  }

  /// Bytes of a value, at most, wherever it lies.
  private static let longestValue = 64 << 10
  /// Name of the attribute that holds the rest of contents that lie in the inode.
  private static let inlineName = Array("data".utf8)

  init(_ record: InodeRecord, _ changes: Changes) throws {
    self.record = record
    self.changes = changes
    inside = []
    inBlock = []
    if let start = insideStart, record.load(start, as: UInt32.self) == AttributeBlock.magic {
      inside = try Self.all(record.bytes.raw, from: start + 4, valueBase: start + 4, record.number, changes)
    }
    if record.attributeBlock != 0 {
      let block = try changes.blocks.attributeBlock(record.attributeBlock, of: record.number)
      inBlock = try Self.all(
        block.bytes, from: AttributeBlock.entriesOffset, valueBase: 0, record.number, changes)
    }
  }

  /// Where the attributes inside the inode start, with their magic number; nil where there is no room.
  private var insideStart: Int? {
    let extra = record.extraByteCount
    let start = Inode.oldByteCount + extra
    return extra > 0 && record.bytes.count - start >= 8 ? start : nil
  }

  /// Bytes inside the inode for entries, their end and values.
  private var insideCapacity: Int { insideStart.map { record.bytes.count - $0 - 4 } ?? 0 }

  private static func all(
    _ bytes: RawSpan, from start: Int, valueBase: Int, _ number: UInt32, _ changes: Changes
  ) throws -> [StoredAttribute] {
    var entries = AttributeEntries(bytes, from: start, valueBase: valueBase)
    var result: [StoredAttribute] = []
    while true {
      do throws(LayoutError) {
        guard let entry = try entries.next() else { return result }
        result.append(StoredAttribute(entry, in: bytes))
      } catch {
        throw changes.blocks.damaged("the extended attributes of inode \(number) are damaged: \(error.detail)")
      }
    }
  }

  /// Sets an attribute, or takes it away for nil.
  mutating func set(_ namespace: UInt8, _ name: [UInt8], to value: [UInt8]?) throws {
    try remove(namespace, name)
    guard let value else { return }
    try changes.requireExtendedAttributes(of: record.number)
    var attribute = StoredAttribute(namespace: namespace, name: name, value: value)
    if place(attribute) { return }
    guard changes.superblock.incompatible.contains(.attributeInodes), value.count <= Self.longestValue else {
      throw FileError(.noSpace, "the extended attributes of inode \(record.number)")
    }
    try changes.move(valueOf: &attribute, near: record.number)
    try count(attribute, sign: 1)
    guard place(attribute) else { throw FileError(.noSpace, "the extended attributes of inode \(record.number)") }
  }

  /// Counts the blocks of a value in an inode of its own as the file's, as every file that refers to it does.
  private mutating func count(_ attribute: StoredAttribute, sign: Int64) throws {
    guard attribute.valueInode != 0 else { return }
    let unit = changes.superblock.blocksPerCluster
    let size = UInt64(changes.blockSize) * unit
    let clusters = (UInt64(attribute.valueSize) + size - 1) / size
    try record.addAllocated(sign * Int64(clusters * unit), changes.superblock)
  }

  private mutating func release(_ attribute: StoredAttribute) throws {
    try changes.release(attribute)
    try count(attribute, sign: -1)
  }

  /// Puts an attribute where it fits; returns whether it does.
  private mutating func place(_ attribute: StoredAttribute) -> Bool {
    if (inside + [attribute]).storedByteCount <= insideCapacity {
      inside.append(attribute)
    } else if (inBlock + [attribute]).storedByteCount <= changes.blockSize - AttributeBlock.entriesOffset {
      inBlock.append(attribute)
      isBlockChanged = true
    } else {
      return false
    }
    return true
  }

  private mutating func remove(_ namespace: UInt8, _ name: [UInt8]) throws {
    for attribute in inside where attribute.isSame(namespace, name) { try release(attribute) }
    inside.removeAll { $0.isSame(namespace, name) }
    guard inBlock.contains(where: { $0.isSame(namespace, name) }) else { return }
    try ownBlock()
    for attribute in inBlock where attribute.isSame(namespace, name) { try release(attribute) }
    inBlock.removeAll { $0.isSame(namespace, name) }
    isBlockChanged = true
  }

  /// Whether contents of `count` bytes could lie in the inode: in the map's place and in the attribute `system.data`.
  func fitsInline(_ count: Int) -> Bool {
    guard insideStart != nil else { return false }
    var all = inside.filter { !$0.isSame(AttributeNamespace.system, Self.inlineName) }
    let rest = [UInt8](repeating: 0, count: max(count - Inode.mapByteCount, 0))
    all.append(StoredAttribute(namespace: AttributeNamespace.system, name: Self.inlineName, value: rest))
    return all.storedByteCount <= insideCapacity
  }

  /// Sets what lies in the inode of its contents behind the map's 60 bytes; nil where nothing does any longer.
  mutating func setInlineData(_ rest: [UInt8]?) throws {
    inside.removeAll { $0.isSame(AttributeNamespace.system, Self.inlineName) }
    guard let rest else { return }
    inside.insert(
      StoredAttribute(namespace: AttributeNamespace.system, name: Self.inlineName, value: rest), at: 0)
    guard inside.storedByteCount <= insideCapacity else {
      throw FileError(.noSpace, "inode \(record.number)")
    }
  }

  /// Releases everything, for an inode that goes.
  mutating func removeAll() throws {
    for attribute in inside { try changes.release(attribute) }
    inside = []
    if record.attributeBlock != 0 { try releaseBlock(isEmptied: true) }
    inBlock = []
    isBlockChanged = false
  }

  /// Puts the attributes into the inode and the block.
  mutating func finish() throws {
    if let start = insideStart {
      var area = [UInt8](repeating: 0, count: record.bytes.count - start)
      if !inside.isEmpty {
        area.store(AttributeBlock.magic, at: 0)
        inside.store(in: &area, from: 4, valueBase: 4, hasHashes: false)
      }
      record.replace(at: start, with: area)
    }
    guard isBlockChanged else { return }
    isBlockChanged = false
    guard !inBlock.isEmpty else { return try releaseBlock(isEmptied: false) }
    try ownBlock()
    inBlock.sort(by: StoredAttribute.isBefore)
    var bytes = [UInt8](repeating: 0, count: changes.blockSize)
    bytes.store(AttributeBlock.magic, at: 0)
    bytes.store(UInt32(1), at: Header.references)
    bytes.store(UInt32(1), at: Header.blockCount)
    bytes.store(inBlock.blockHash, at: Header.hash)
    inBlock.store(in: &bytes, from: AttributeBlock.entriesOffset, valueBase: 0, hasHashes: true)
    try write(bytes, to: record.attributeBlock)
  }

  private func write(_ bytes: [UInt8], to block: UInt64) throws {
    var bytes = bytes
    if changes.superblock.hasMetadataChecksums {
      let checksum = AttributeBlock.checksum(of: bytes.raw, number: block, seed: changes.superblock.checksumSeed)
      bytes.store(checksum, at: AttributeBlock.checksumOffset)
    }
    let sealed = bytes
    try changes.edit(block) { $0.copy(sealed.raw, at: 0) }
  }

  /// Sees to it that the inode has a block of its own: a new one where it has none or shares it.
  private mutating func ownBlock() throws {
    guard !isBlockOwn else { return }
    isBlockOwn = true
    let old = record.attributeBlock
    if old != 0 {
      guard try references(of: old) > 1 else { return }
      try dropReference(to: old)
      // The copy refers to the same values.
      for attribute in inBlock where attribute.valueInode != 0 {
        try changes.changeReferences(of: attribute.valueInode, by: 1)
      }
    } else {
      try record.addAllocated(Int64(changes.superblock.blocksPerCluster), changes.superblock)
    }
    let group = (UInt64(record.number) - 1) / UInt64(changes.superblock.inodesPerGroup)
    let block = try changes.allocateBlock(near: changes.blocks.layout.firstBlock(of: group))
    try changes.make(block) { _ in }
    record.attributeBlock = block
    isBlockChanged = true
  }

  private func references(of block: UInt64) throws -> UInt32 {
    let held = try changes.blocks.attributeBlock(block, of: record.number)
    return held.bytes.littleEndian(at: Header.references)
  }

  private func dropReference(to block: UInt64) throws {
    let held = try changes.blocks.attributeBlock(block, of: record.number)
    var bytes = held.bytes.array
    bytes.store(held.bytes.littleEndian(at: Header.references, as: UInt32.self) - 1, at: Header.references)
    try write(bytes, to: block)
  }

  /// Gives the block up; `isEmptied` where its attributes' values are still to be released with it.
  private mutating func releaseBlock(isEmptied: Bool) throws {
    let block = record.attributeBlock
    guard block != 0 else { return }
    if try !isBlockOwn && references(of: block) > 1 {
      try dropReference(to: block)
    } else {
      if isEmptied { for attribute in inBlock { try changes.release(attribute) } }
      try changes.freeMetadata(block)
    }
    record.attributeBlock = 0
    try record.addAllocated(-Int64(changes.superblock.blocksPerCluster), changes.superblock)
  }
}
