import Bytes
import Filesystems

/// An extended attribute as it is stored.
struct StoredAttribute: Hashable {
  let namespace: UInt8
  /// The name without what the namespace stands for.
  let name: [UInt8]
  /// The value; empty where it lies in an inode of its own.
  var value: [UInt8]
  /// The inode that holds the value; 0 for none.
  var valueInode: UInt32 = 0
  /// Size of the value in bytes.
  var valueSize: Int
  /// The hash, where the value lies in an inode; else it is made when it is needed.
  var hash: UInt32 = 0

  init(namespace: UInt8, name: [UInt8], value: [UInt8]) {
    self.namespace = namespace
    self.name = name
    self.value = value
    valueSize = value.count
  }

  /// Reads an entry of `bytes`.
  init(_ entry: AttributeEntries.Entry, in bytes: RawSpan) {
    namespace = entry.namespace
    name = bytes.slice(entry.nameOffset, entry.nameLength).array
    valueInode = entry.valueInode
    valueSize = entry.valueSize
    value = entry.valueInode == 0 && entry.valueSize > 0 ? bytes.slice(entry.valueOffset, entry.valueSize).array : []
    hash = bytes.littleEndian(at: entry.offset + AttributeEntries.Field.hash)
  }

  /// Bytes that the entry takes.
  var entryByteCount: Int { (AttributeEntries.Field.name + name.count + 3) / 4 * 4 }
  /// Bytes that the value takes beside the entries.
  var paddedByteCount: Int { (value.count + 3) / 4 * 4 }

  /// Whether two are about one attribute.
  func isSame(_ namespace: UInt8, _ name: [UInt8]) -> Bool { self.namespace == namespace && self.name == name }

  /// The order in which the kernel looks for names in a block.
  static func isBefore(_ left: Self, _ right: Self) -> Bool {
    if left.namespace != right.namespace { return left.namespace < right.namespace }
    if left.name.count != right.name.count { return left.name.count < right.name.count }
    return left.name.lexicographicallyPrecedes(right.name)
  }

  /// Lets the value lie in an inode, whose hash stands for it.
  mutating func moveValue(to inode: UInt32, hash valueHash: UInt32) {
    value = [0, 0, 0, 0]
    value.store(valueHash, at: 0)
    hash = entryHash
    valueInode = inode
    value = []
  }

  /// The hash of name and value (xattr.c's, over words of 32 bits).
  var entryHash: UInt32 {
    guard valueInode == 0 else { return hash }
    var result: UInt32 = 0
    for byte in name { result = result << 5 ^ result >> 27 ^ UInt32(byte) }
    let padded = value + [UInt8](repeating: 0, count: paddedByteCount - value.count)
    for place in stride(from: 0, to: padded.count, by: 4) {
      result = result << 16 ^ result >> 16 ^ padded.raw.littleEndian(at: place, as: UInt32.self)
    }
    return result
  }
}

extension [StoredAttribute] {
  /// Bytes that the entries, their end and the values take.
  var storedByteCount: Int { reduce(4) { $0 + $1.entryByteCount + $1.paddedByteCount } }

  /// Writes the entries from `start` of `bytes` on and the values from the end of `bytes` downwards, whose offsets count
  /// from `valueBase`; they must fit.
  func store(in bytes: inout [UInt8], from start: Int, valueBase: Int, hasHashes: Bool) {
    var place = start
    var end = bytes.count
    for attribute in self {
      var offset = 0
      if attribute.valueInode == 0, !attribute.value.isEmpty {
        end -= attribute.paddedByteCount
        bytes.replaceSubrange(end..<(end + attribute.value.count), with: attribute.value)
        offset = end - valueBase
      }
      bytes[place + AttributeEntries.Field.nameLength] = UInt8(truncatingIfNeeded: attribute.name.count)
      bytes[place + AttributeEntries.Field.namespace] = attribute.namespace
      bytes.store(UInt16(truncatingIfNeeded: offset), at: place + AttributeEntries.Field.valueOffset)
      bytes.store(attribute.valueInode, at: place + AttributeEntries.Field.valueInode)
      bytes.store(UInt32(truncatingIfNeeded: attribute.valueSize), at: place + AttributeEntries.Field.valueSize)
      let hash = hasHashes || attribute.valueInode != 0 ? attribute.entryHash : 0
      bytes.store(hash, at: place + AttributeEntries.Field.hash)
      let name = place + AttributeEntries.Field.name
      bytes.replaceSubrange(name..<(name + attribute.name.count), with: attribute.name)
      place += attribute.entryByteCount
    }
  }

  /// The hash of a block's entries; 0 where one of them has none.
  var blockHash: UInt32 {
    var result: UInt32 = 0
    for attribute in self {
      let hash = attribute.entryHash
      guard hash != 0 else { return 0 }
      result = result << 16 ^ result >> 16 ^ hash
    }
    return result
  }
}
