import Bytes

/// The fields of a partimage image's header about its filesystem, for display.
enum PartimageInfoHeader {
  static let byteCount = 16384

  /// How a field is stored; integers are little-endian.
  private enum Kind { case u64, u32, u16, u8, uuid }

  /// The names and sizes of a filesystem's fields, in order from the header's start.
  private static func fields(_ filesystem: String) -> [(String, Kind)] {
    func all(_ kind: Kind, _ names: String) -> [(String, Kind)] {
      names.split(separator: " ").map { (String($0), kind) }
    }
    switch filesystem {
    case "ext2fs", "ext3fs":
      return all(
        .u32,
        "groups total-blocks first-block block-size kib-per-block blocks-per-group compatible-features"
          + " incompatible-features read-only-features revision")
        + [("uuid", .uuid)] + all(.u32, "descriptor-blocks descriptors-per-block")
    case "fat16", "fat32", "fat12":
      return all(
        .u32,
        "total-sectors clusters root-directory-sectors root-entries sectors-per-fat data-sectors filesystem-code"
          + " used-clusters bad-clusters free-clusters bytes-per-fat-entry reserved")
        + all(.u16, "bytes-per-sector reserved-sectors root-directory-entries")
        + all(.u8, "sectors-per-cluster fats") + all(.u16, "fsinfo-sector")
    case "ntfs":
      return all(.u64, "total-sectors mft-cluster") + all(.u32, "file-record-size cluster-size")
        + all(.u16, "bytes-per-sector ntfs-version") + all(.u8, "sectors-per-cluster")
    case "reiserfs-3.5", "reiserfs-3.6": return all(.u32, "version bitmap-blocks")
    case "xfs": return all(.u32, "allocation-groups blocks-per-group")
    case "jfs": return all(.u64, "official-blocks mapped-blocks") + all(.u32, "max-tree-level")
    case "hfs":
      return all(.u64, "allocation-count bitmap-sector free-allocations first-allocation-block")
        + all(.u32, "allocation-size blocks-per-allocation")
    case "hpfs": return all(.u32, "bitmap-pointer bitmap-quad-blocks") + all(.u8, "version")
    case "ufs":
      return all(
        .u32,
        "cylinder-groups fragments-per-group group-offset group-mask group-block fragments-per-block group-size"
          + " block-size") + all(.u64, "data-fragments")
    case "afs", "befs":
      return all(.u32, "byte-order block-shift blocks-per-group group-shift groups flags boot-loader-size padding")
        + all(.u64, "bitmap-start")
    default: return []
    }
  }

  /// The header's fields by their names.
  static func facts(_ bytes: RawSpan, filesystem: String) -> Record {
    var facts = Record()
    var offset = 0
    for (name, kind) in fields(filesystem) {
      switch kind {
      case .u64: facts.add(name, .count(bytes.littleEndian(at: offset)))
      case .u32: facts.add(name, .count(UInt64(bytes.littleEndian(at: offset, as: UInt32.self))))
      case .u16: facts.add(name, .count(UInt64(bytes.littleEndian(at: offset, as: UInt16.self))))
      case .u8: facts.add(name, .count(UInt64(bytes.littleEndian(at: offset, as: UInt8.self))))
      case .uuid: facts.add(name, .text(uuid(bytes.slice(offset, 16).array)))
      }
      offset += size(kind)
    }
    return facts
  }

  private static func size(_ kind: Kind) -> Int {
    switch kind {
    case .u64: 8
    case .u32: 4
    case .u16: 2
    case .u8: 1
    case .uuid: 16
    }
  }

  private static func uuid(_ bytes: [UInt8]) -> String {
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text += "-" }
      text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    return text
  }
}
