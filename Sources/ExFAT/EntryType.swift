/// The first byte of a 32-byte directory entry (Microsoft's exFAT specification, 6.2.1).
struct EntryType: RawRepresentable, Hashable, Sendable {
  let rawValue: UInt8
  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Nothing follows in this directory.
  static let end = EntryType(rawValue: 0)
  static let bitmap = EntryType(rawValue: 0x81)
  static let upcaseTable = EntryType(rawValue: 0x82)
  static let label = EntryType(rawValue: 0x83)
  static let file = EntryType(rawValue: 0x85)
  static let volumeGUID = EntryType(rawValue: 0xa0)
  static let stream = EntryType(rawValue: 0xc0)
  static let name = EntryType(rawValue: 0xc1)
  static let vendorExtension = EntryType(rawValue: 0xe0)
  static let vendorAllocation = EntryType(rawValue: 0xe1)

  /// Whether the entry counts; a deleted one has this bit cleared.
  var isInUse: Bool { rawValue & 0x80 != 0 }
  /// Whether it belongs to the primary entry before it.
  var isSecondary: Bool { rawValue & 0x40 != 0 }
  /// Whether it may be passed over by those who do not know it.
  var isBenign: Bool { rawValue & 0x20 != 0 }
}
