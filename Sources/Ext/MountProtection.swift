import Bytes

/// The block that keeps two machines from mounting one volume (feature mmp): mmp.rst.
enum MountProtection {
  static let magic: UInt32 = 0x004d_4d50
  /// The number that stands where nobody has the volume mounted.
  static let clean: UInt32 = 0xff4d_4d50
  private static let sequenceOffset = 4
  private static let nodeNameOffset = 16

  /// Who seems to have the volume mounted; nil where nobody does, or the block makes no sense.
  static func user(_ bytes: RawSpan) -> String? {
    guard bytes.byteCount >= 80, bytes.littleEndian(at: 0) == magic else { return nil }
    let sequence: UInt32 = bytes.littleEndian(at: sequenceOffset)
    guard sequence != clean else { return nil }
    let name = bytes.slice(nodeNameOffset, 64).text.printable
    return name.isEmpty ? "somebody" : name
  }
}
