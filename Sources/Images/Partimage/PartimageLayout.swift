import BlockIO
import Bytes

/// Where a partimage image's blocks and checks lie, in bytes from the end of the first volume's header.
///
/// From `dataStart` on, after every 65536 bytes of blocks, whatever block that is in, there is a check of 16 bytes; after
/// the last bytes, fewer than 65536, there is none.
struct PartimageLayout: Sendable {
  /// Bytes of blocks from one check to the next.
  static let groupSize: UInt64 = 65536
  /// Size of a check in bytes.
  static let checkSize: UInt64 = 16
  /// The text before the tail.
  static let tailMagic = Array("MAGIC-BEGIN-TAIL".utf8)
  static let tailSize: UInt64 = 16384

  let dataStart: UInt64
  /// How many bytes of blocks are stored.
  let storedBytes: UInt64

  /// Where byte `byte` of the blocks lies.
  func offset(ofStored byte: UInt64) -> UInt64 { dataStart + byte + byte / Self.groupSize * Self.checkSize }

  /// Where the tail's text starts.
  var dataEnd: UInt64 { offset(ofStored: storedBytes) }

  /// The first byte after the image.
  var end: UInt64 { dataEnd + UInt64(Self.tailMagic.count) + Self.tailSize }

  /// How many bytes the group has that starts with byte `byte`.
  func groupSize(at byte: UInt64) -> Int { Int(min(Self.groupSize, storedBytes - byte)) }
}

/// The 16 bytes after every 65536 bytes of blocks.
enum PartimageCheck {
  /// What is wrong with `check`, which follows `group`; nil if nothing is.
  static func flaw(_ check: RawSpan, of group: RawSpan) -> String? {
    guard check.littleEndian(at: 0, as: UInt32.self) & 0xff_ffff == 0x4b_4843 else {
      return "the mark \"CHK\" is missing behind \(group.byteCount) bytes of blocks"
    }
    let stored: UInt32 = check.littleEndian(at: 4)
    let computed = CRC32.of(group)
    guard stored != computed else { return nil }
    return "the checksum of \(group.byteCount) bytes of blocks is \(UInt64(stored).hex) and they give"
      + " \(UInt64(computed).hex)"
  }
}
