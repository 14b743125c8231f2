import Bytes
import Filesystems

/// The entries of one block of a directory, one after the other; unused ones and checksums are passed over.
struct DirectoryBlock: ~Escapable {
  /// Offsets of an entry's fields in bytes.
  enum Field {
    static let inode = 0
    static let length = 4
    static let nameLength = 6
    static let type = 7
    static let name = 8
  }

  /// What the last 12 bytes look like where they hold the block's checksum: an unused entry of this type.
  enum Tail {
    static let byteCount = 12
    static let type: UInt8 = 0xde
    static let checksum = 8
  }

  /// An entry, and where its name lies in the block.
  struct Entry {
    let offset: Int
    let inode: UInt32
    /// Where the next entry starts.
    let end: Int
    let nameOffset: Int
    let nameLength: Int
    /// The kind's number; 0 where the volume keeps none.
    let type: UInt8
  }

  let bytes: RawSpan
  private let hasTypes: Bool
  private var offset: Int

  /// Entries from `offset` on; `hasTypes` with the feature filetype.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan, from offset: Int = 0, hasTypes: Bool) {
    self.bytes = bytes
    self.offset = offset
    self.hasTypes = hasTypes
  }

  /// A stored length of an entry in a block of `blockSize` bytes; 64 KiB does not fit 16 bits, so two bits that are
  /// always zero stand for more.
  static func length(_ stored: UInt16, blockSize: Int) -> Int {
    guard blockSize >= 65536 else { return Int(stored) }
    if stored == 65535 || stored == 0 { return blockSize }
    return Int(stored & 0xfffc) | Int(stored & 3) << 16
  }

  /// The next entry that is in use; nil at the end.
  @_lifetime(self: copy self)
  mutating func next() throws(LayoutError) -> Entry? {
    while offset < bytes.byteCount {
      let place = offset
      guard bytes.byteCount - place >= Field.name else {
        throw LayoutError("an entry starts too close to the end", at: place)
      }
      let length = Self.length(
        bytes.littleEndian(at: place + Field.length), blockSize: bytes.byteCount)
      let inode: UInt32 = bytes.littleEndian(at: place + Field.inode)
      let nameLength =
        hasTypes
        ? Int(bytes.littleEndian(at: place + Field.nameLength, as: UInt8.self))
        : Int(bytes.littleEndian(at: place + Field.nameLength, as: UInt16.self))
      guard length >= Field.name, length % 4 == 0, length <= bytes.byteCount - place else {
        throw LayoutError("an entry of \(length) bytes does not fit", at: place + Field.length)
      }
      offset = place + length
      guard inode != 0 else { continue }
      guard 1...255 ~= nameLength, nameLength <= length - Field.name else {
        throw LayoutError(
          "a name of \(nameLength) bytes does not fit its entry of \(length)", at: place + Field.nameLength)
      }
      return Entry(
        offset: place, inode: inode, end: offset, nameOffset: place + Field.name, nameLength: nameLength,
        type: hasTypes ? bytes.littleEndian(at: place + Field.type) : 0)
    }
    return nil
  }

  /// Whether the entry is `.` or `..`.
  func isDot(_ entry: Entry) -> Bool {
    guard entry.nameLength <= 2 else { return false }
    for index in 0..<entry.nameLength
    where bytes.littleEndian(at: entry.nameOffset + index, as: UInt8.self) != UInt8(ascii: ".") { return false }
    return true
  }

  /// The entry's name.
  func name(_ entry: Entry) -> [UInt8] { bytes.slice(entry.nameOffset, entry.nameLength).array }

  /// Whether the entry's name is `name`.
  func isNamed(_ entry: Entry, _ name: RawSpan) -> Bool {
    guard entry.nameLength == name.byteCount else { return false }
    for index in 0..<entry.nameLength
    where bytes.littleEndian(at: entry.nameOffset + index, as: UInt8.self)
      != name.littleEndian(at: index, as: UInt8.self)
    {
      return false
    }
    return true
  }
}

extension FileKind {
  /// The kind by its number in a directory entry; nil for 0 (unknown) and what means nothing.
  init?(directoryType type: UInt8) {
    switch type & 7 {
    case 1: self = .regular
    case 2: self = .directory
    case 3: self = .characterDevice
    case 4: self = .blockDevice
    case 5: self = .fifo
    case 6: self = .socket
    case 7: self = .symbolicLink
    default: return nil
    }
  }
}
