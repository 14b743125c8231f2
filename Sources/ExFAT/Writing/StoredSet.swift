import Bytes
import Filesystems

/// A file's entries as they lie in its directory, those of vendors among them.
struct StoredSet {
  let slots: Range<Int>
  /// The entries' bytes, 32 each.
  private(set) var bytes: [UInt8]
  private(set) var set: EntrySet

  init(slots: Range<Int>, bytes: [UInt8]) throws(LayoutError) {
    self.slots = slots
    self.bytes = bytes
    set = try EntrySet(parsing: bytes.raw)
  }

  /// Changes what the file entry and the stream extension say; the name stays.
  mutating func update(_ new: EntrySet) {
    var new = new
    (new.name, new.nameHash) = (set.name, set.nameHash)
    // Both entries come whole from the set; what they reserve becomes zero, as the specification wants it.
    let front = new.bytes.prefix(2 * DirectorySlots.slotSize)
    let count = bytes[EntrySet.Offset.secondaryCount]
    bytes.replaceSubrange(0..<front.count, with: front)
    bytes[EntrySet.Offset.secondaryCount] = count
    let sum = EntrySet.checksum(bytes.raw)
    bytes.withRaw { $0.store(littleEndian: sum, at: EntrySet.Offset.checksum) }
    set = new
  }

  /// The entries under another name; nil where they would be more than a set may have.
  func renamed(to name: [UInt16], hash: UInt16) -> [UInt8]? {
    var new = set
    (new.name, new.nameHash) = (name, hash)
    let names = (set.name.count + EntrySet.unitCount - 1) / EntrySet.unitCount
    var result = new.bytes + bytes.dropFirst((2 + names) * DirectorySlots.slotSize)
    guard result.count / DirectorySlots.slotSize <= 256 else { return nil }
    result[EntrySet.Offset.secondaryCount] = UInt8(result.count / DirectorySlots.slotSize - 1)
    let sum = EntrySet.checksum(result.raw)
    result.withRaw { $0.store(littleEndian: sum, at: EntrySet.Offset.checksum) }
    return result
  }
}

extension EntrySet.Time {
  /// A moment by a clock that shows UTC, and says so.
  init(_ moment: Timestamp) {
    self.init(local: DOSTime(moment), zone: 0x80)
  }
}

extension EntrySet {
  /// The entries of a new file or directory without contents.
  init(name: [UInt16], hash: UInt16, attributes: FileAttributes) {
    let isDirectory = attributes.kind == .directory
    let isReadOnly = !isDirectory && attributes.permissions & 0o200 == 0
    self.attributes = DOSAttributes(words: attributes.flags)
      .union(isDirectory ? .directory : .archive).union(isReadOnly ? .readOnly : [])
    created = Time(attributes.created ?? .now)
    modified = Time(attributes.modified)
    accessed = Time(attributes.accessed ?? attributes.modified)
    accessed.local.hundredths = 0
    stream = Stream(isOnePiece: false, firstCluster: 0, byteCount: 0, validByteCount: 0)
    nameHash = hash
    self.name = name
  }

  /// The modification and access times become now.
  mutating func touch() {
    let now = Timestamp.now
    modified = Time(now)
    accessed = Time(now)
    accessed.local.hundredths = 0
    attributes.insert(.archive)
  }
}
