import Bytes
import Filesystems

/// A directory's block, or the piece of a directory that lies in an inode, whose entries are changed.
struct EntryBlock {
  /// An entry, in use or not.
  struct Entry {
    let offset: Int
    let length: Int
    /// 0 for an unused one.
    let inode: UInt32
    let nameLength: Int
  }

  /// What an entry says, wherever it lies.
  struct Content {
    let name: [UInt8]
    let inode: UInt32
    /// The kind's number; 0 where the volume keeps none.
    let type: UInt8

    var byteCount: Int { EntryBlock.byteCount(nameLength: name.count) }
  }

  private(set) var bytes: [UInt8]
  private let hasTypes: Bool
  /// Where the entries end; a checksum may follow.
  private let end: Int

  /// Takes a block as it is; with `hasTail` its last bytes hold a checksum, with `hasTypes` entries say the kind.
  init(_ bytes: [UInt8], hasTail: Bool, hasTypes: Bool) {
    self.bytes = bytes
    self.hasTypes = hasTypes
    end = bytes.count - (hasTail ? DirectoryBlock.Tail.byteCount : 0)
  }

  /// Lays `contents`, which must fit, out as a block of `byteCount` bytes, the free space behind the last entry.
  init(laying contents: [Content], byteCount: Int, hasTail: Bool, hasTypes: Bool) {
    self.init([UInt8](repeating: 0, count: byteCount), hasTail: hasTail, hasTypes: hasTypes)
    var place = 0
    for (index, content) in contents.enumerated() {
      let length = index == contents.count - 1 ? end - place : content.byteCount
      put(content, at: place, length: length)
      place += length
    }
    if contents.isEmpty { putLength(end, at: 0) }
  }

  /// Bytes that an entry with a name takes.
  static func byteCount(nameLength: Int) -> Int { (DirectoryBlock.Field.name + nameLength + 3) & ~3 }

  /// Bytes for entries in a block.
  static func room(_ superblock: Superblock) -> Int {
    superblock.blockSize - (superblock.hasMetadataChecksums ? DirectoryBlock.Tail.byteCount : 0)
  }

  /// An entry's length as it is stored in a block of `blockSize` bytes: of 64 KiB it does not fit 16 bits.
  static func stored(_ length: Int, blockSize: Int) -> UInt16 {
    guard length >= 65536 else { return UInt16(length) }
    return length == blockSize ? (blockSize == 65536 ? 65535 : 0) : UInt16(length & 0xfffc | length >> 16 & 3)
  }

  /// All entries, unused ones too; throws where they do not fill the block one after the other.
  func entries() throws(LayoutError) -> [Entry] {
    var result: [Entry] = []
    var place = 0
    let raw = bytes.raw
    while place < end {
      guard end - place >= DirectoryBlock.Field.name else {
        throw LayoutError("an entry starts too close to the end", at: place)
      }
      let length = DirectoryBlock.length(
        raw.littleEndian(at: place + DirectoryBlock.Field.length), blockSize: bytes.count)
      let inode: UInt32 = raw.littleEndian(at: place + DirectoryBlock.Field.inode)
      let nameLength =
        hasTypes
        ? Int(bytes[place + DirectoryBlock.Field.nameLength])
        : Int(raw.littleEndian(at: place + DirectoryBlock.Field.nameLength, as: UInt16.self))
      guard length >= 12 || length >= 8 && inode == 0, length % 4 == 0, length <= end - place else {
        throw LayoutError("an entry of \(length) bytes does not fit", at: place + DirectoryBlock.Field.length)
      }
      guard inode == 0 || 1...255 ~= nameLength && Self.byteCount(nameLength: nameLength) <= length else {
        throw LayoutError(
          "a name of \(nameLength) bytes does not fit its entry of \(length)",
          at: place + DirectoryBlock.Field.nameLength)
      }
      result.append(Entry(offset: place, length: length, inode: inode, nameLength: nameLength))
      place += length
    }
    return result
  }

  /// What an entry in use says.
  func content(_ entry: Entry) -> Content {
    let name = entry.offset + DirectoryBlock.Field.name
    return Content(
      name: Array(bytes[name..<(name + entry.nameLength)]), inode: entry.inode,
      type: hasTypes ? bytes[entry.offset + DirectoryBlock.Field.type] : 0)
  }

  /// Adds an entry where there is room: in an unused entry, or behind the name of one in use; false where there is none.
  mutating func insert(_ content: Content) throws(LayoutError) -> Bool {
    for entry in try entries() {
      let used = entry.inode == 0 ? 0 : Self.byteCount(nameLength: entry.nameLength)
      guard entry.length - used >= content.byteCount else { continue }
      if used > 0 { putLength(used, at: entry.offset) }
      put(content, at: entry.offset + used, length: entry.length - used)
      return true
    }
    return false
  }

  /// Takes the entry at `offset` away; its space goes to the entry before it, and of the first one it stays.
  mutating func remove(at offset: Int) throws(LayoutError) {
    let all = try entries()
    guard let index = all.firstIndex(where: { $0.offset == offset }) else {
      throw LayoutError("no entry starts here", at: offset)
    }
    let entry = all[index]
    if index > 0 {
      putLength(all[index - 1].length + entry.length, at: all[index - 1].offset)
      clear(offset..<(offset + entry.length))
    } else {
      clear(offset..<(offset + entry.length))
      putLength(entry.length, at: offset)
    }
  }

  /// Lets the entry at `offset`, which must be one in use, point to another inode.
  mutating func setInode(_ inode: UInt32, type: UInt8, at offset: Int) {
    bytes.put(littleEndian: inode, at: offset + DirectoryBlock.Field.inode)
    if hasTypes { bytes[offset + DirectoryBlock.Field.type] = type }
  }

  /// Makes the entry at `offset` as long as to the end of the block.
  mutating func extendToEnd(at offset: Int) { putLength(end - offset, at: offset) }

  /// Puts the checksum, from the seed of the directory's inode, behind the entries of a block that has one.
  mutating func seal(seed: UInt32) {
    guard end < bytes.count else { return }
    clear(end..<bytes.count)
    bytes.put(littleEndian: UInt16(DirectoryBlock.Tail.byteCount), at: end + DirectoryBlock.Field.length)
    bytes[end + DirectoryBlock.Field.type] = DirectoryBlock.Tail.type
    var crc = CRC32C(register: seed)
    crc.update(bytes.raw.slice(0, end))
    bytes.put(littleEndian: crc.register, at: end + DirectoryBlock.Tail.checksum)
  }

  private mutating func put(_ content: Content, at place: Int, length: Int) {
    clear(place..<(place + content.byteCount))
    bytes.put(littleEndian: content.inode, at: place + DirectoryBlock.Field.inode)
    putLength(length, at: place)
    bytes[place + DirectoryBlock.Field.nameLength] = UInt8(truncatingIfNeeded: content.name.count)
    if hasTypes { bytes[place + DirectoryBlock.Field.type] = content.type }
    let name = place + DirectoryBlock.Field.name
    bytes.replaceSubrange(name..<(name + content.name.count), with: content.name)
  }

  private mutating func putLength(_ length: Int, at place: Int) {
    bytes.put(
      littleEndian: Self.stored(length, blockSize: bytes.count), at: place + DirectoryBlock.Field.length)
  }

  private mutating func clear(_ range: Range<Int>) {
    for index in range { bytes[index] = 0 }
  }
}

extension FileKind {
  /// The kind's number in a directory's entry.
  var directoryType: UInt8 {
    switch self {
    case .regular: 1
    case .directory: 2
    case .characterDevice: 3
    case .blockDevice: 4
    case .fifo: 5
    case .socket: 6
    case .symbolicLink: 7
    }
  }
}
