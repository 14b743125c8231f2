import Bytes

/// The three sets of feature bits in a version 3 header, and their names.
enum QCow2Features {
  /// Incompatible bit 0: refcounts may be wrong.
  static let dirty: UInt64 = 1 << 0
  /// Incompatible bit 1: anything may be wrong.
  static let corrupt: UInt64 = 1 << 1
  /// Incompatible bit 2: guest data is in another file.
  static let externalData: UInt64 = 1 << 2
  /// Incompatible bit 3: clusters are not compressed with zlib.
  static let compressionType: UInt64 = 1 << 3
  /// Incompatible bit 4: L2 entries have 16 bytes and describe 32 subclusters.
  static let extendedL2: UInt64 = 1 << 4
  /// The incompatible bits that this driver reads.
  static let supported: UInt64 = 0b11111

  /// The set of bits that a feature belongs to, as the feature name table numbers them.
  enum Group: UInt8 {
    case incompatible = 0
    case compatible = 1
    case autoclear = 2
  }

  /// An entry of the feature name table, 48 bytes.
  struct Name: Sendable {
    let group: UInt8
    let bit: UInt8
    let text: String
  }

  /// Reads a feature name table; entries cut short are left out.
  static func names(parsing bytes: RawSpan) -> [Name] {
    (0..<min(bytes.byteCount / 48, 192)).map { index in
      let entry = bytes.slice(index * 48, 48)
      return Name(group: entry.bigEndian(at: 0), bit: entry.bigEndian(at: 1), text: entry.slice(2, 46).text)
    }
  }

  /// The names of the bits set in `mask`: the known ones', else the table's, else `bit N`.
  static func describe(_ mask: UInt64, _ group: Group, table: [Name]) -> [String] {
    (0..<64).filter { mask >> UInt64($0) & 1 == 1 }.map { bit in
      if let known = known(bit, group) { return known }
      let named = table.first { $0.group == group.rawValue && Int($0.bit) == bit && !$0.text.isEmpty }
      return named.map { "\($0.text) (bit \(bit))" } ?? "bit \(bit)"
    }
  }

  private static func known(_ bit: Int, _ group: Group) -> String? {
    switch (group, bit) {
    case (.incompatible, 0): "dirty"
    case (.incompatible, 1): "corrupt"
    case (.incompatible, 2): "external-data-file"
    case (.incompatible, 3): "compression-type"
    case (.incompatible, 4): "extended-l2"
    case (.compatible, 0): "lazy-refcounts"
    case (.autoclear, 0): "bitmaps"
    case (.autoclear, 1): "raw-external-data"
    default: nil
    }
  }
}
