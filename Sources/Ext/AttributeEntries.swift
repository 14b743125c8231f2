import Bytes

/// The block that holds extended attributes: a header of 32 bytes before the entries.
enum AttributeBlock {
  static let magic: UInt32 = 0xea02_0000
  static let checksumOffset = 16
  static let entriesOffset = 32

  /// The checksum of the block `number`, whose bytes these are.
  static func checksum(of bytes: RawSpan, number: UInt64, seed: UInt32) -> UInt32 {
    var crc = CRC32C(register: seed)
    crc.update(littleEndian: number)
    crc.update(bytes.slice(0, checksumOffset))
    crc.update(littleEndian: UInt32(0))
    crc.update(bytes.slice(checksumOffset + 4, bytes.byteCount - checksumOffset - 4))
    return crc.register
  }
}

/// Names and places of extended attributes, one after the other, ended by four zero bytes.
struct AttributeEntries: ~Escapable {
  /// Offsets of an entry's fields in bytes.
  enum Field {
    static let nameLength = 0
    static let namespace = 1
    static let valueOffset = 2
    static let valueInode = 4
    static let valueSize = 8
    static let hash = 12
    static let name = 16
  }

  /// An attribute's name and where its value lies.
  struct Entry {
    let offset: Int
    let namespace: UInt8
    let nameOffset: Int
    let nameLength: Int
    /// Where the value lies in the area; meaningless where it lies in an inode.
    let valueOffset: Int
    let valueSize: Int
    /// The inode that holds the value; 0 where the value lies in the area.
    let valueInode: UInt32
  }

  let bytes: RawSpan
  private var offset: Int
  private let valueBase: Int

  /// Entries from `offset` of `bytes` on, whose values' offsets count from `valueBase`.
  @_lifetime(copy bytes)
  init(_ bytes: RawSpan, from offset: Int, valueBase: Int) {
    self.bytes = bytes
    self.offset = offset
    self.valueBase = valueBase
  }

  /// The next entry; nil at the end.
  @_lifetime(self: copy self)
  mutating func next() throws(LayoutError) -> Entry? {
    let place = offset
    guard bytes.byteCount - place >= 4 else { return nil }
    guard bytes.littleEndian(at: place, as: UInt32.self) != 0 else { return nil }
    guard bytes.byteCount - place >= Field.name else {
      throw LayoutError("an extended attribute's entry does not fit", at: place)
    }
    let nameLength = Int(bytes.littleEndian(at: place + Field.nameLength, as: UInt8.self))
    guard nameLength <= bytes.byteCount - place - Field.name else {
      throw LayoutError("an extended attribute's name does not fit", at: place)
    }
    let inode: UInt32 = bytes.littleEndian(at: place + Field.valueInode)
    let size: UInt32 = bytes.littleEndian(at: place + Field.valueSize)
    let stored = Int(bytes.littleEndian(at: place + Field.valueOffset, as: UInt16.self)) + valueBase
    guard inode != 0 || size == 0 || stored <= bytes.byteCount && Int(size) <= bytes.byteCount - stored else {
      throw LayoutError("an extended attribute's value does not fit", at: place + Field.valueOffset)
    }
    offset = place + (Field.name + nameLength + 3) / 4 * 4
    return Entry(
      offset: place, namespace: bytes.littleEndian(at: place + Field.namespace), nameOffset: place + Field.name,
      nameLength: nameLength, valueOffset: stored, valueSize: Int(size), valueInode: inode)
  }
}

/// What stands before an attribute's name, by its number in an entry.
enum AttributeNamespace {
  static let user: UInt8 = 1
  static let accessACL: UInt8 = 2
  static let defaultACL: UInt8 = 3
  static let system: UInt8 = 7

  /// The beginning of names in a namespace; nil for those that users never see (9 keeps encryption's context).
  static func prefix(_ number: UInt8) -> String? {
    switch number {
    case user: "user."
    case accessACL: "system.posix_acl_access"
    case defaultACL: "system.posix_acl_default"
    case 4: "trusted."
    case 5: "lustre."
    case 6: "security."
    case system: "system."
    case 8: "system.richacl"
    case 10: "gnu."
    default: nil
    }
  }
}
