import Bytes

// Encrypted volumes.

extension FilesystemSignature {
  /// LUKS 1 and 2, the latter also by its second header (cryptsetup's on-disk format documents).
  static func luks(_ volume: inout Volume) throws -> FilesystemSignature? {
    let first = try volume.block(0, 512).flatMap { $0.has("LUKS\u{ba}\u{be}".luksMagic, at: 0) ? $0 : nil }
    var magics = first == nil ? [] : [UInt64(0)..<6]
    var header = first
    if first.map({ $0.big(6, UInt16.self) == 2 }) ?? true {
      for offset in stride(from: UInt64(0x4000), through: 0x400000, by: 0x4000) where offset.nonzeroBitCount == 1 {
        guard let block = try volume.block(offset, 512), block.has("SKUL\u{ba}\u{be}".luksMagic, at: 0),
          block.big(256, UInt64.self) == offset
        else { continue }
        magics.append(offset..<(offset + 6))
        header = header ?? block
      }
    }
    guard let header else { return nil }
    let version: UInt16 = header.big(6)
    guard 1...2 ~= version else { return nil }
    var result = FilesystemSignature("crypto_LUKS", .crypto, magics: magics)
    result.version = String(version)
    result.uuid = header.label(168, 40)
    result.label = version == 2 ? header.label(24, 48) : nil
    return result
  }

  /// BitLocker: the boot sector of Windows Vista, of 7 and later, or of To Go.
  static func bitLocker(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(0, 512) else { return nil }
    let identifier: [UInt8] = [
      0x3b, 0xd6, 0x67, 0x49, 0x29, 0x2e, 0xd8, 0x4a, 0x83, 0x99, 0xf6, 0xa3, 0x39, 0xe3, 0xd0, 0x01,
    ]
    var place: UInt64?
    if block.has([0xeb, 0x52, 0x90], at: 0), block.has("-FVE-FS-", at: 3) {
      let cluster = UInt64(block.little(11, UInt16.self)) * UInt64(block.little(13, UInt8.self))
      place = block.little(56, UInt64.self).multiplied(by: cluster)
      return bitLocker(block, version: try metadataVersion(&volume, place))
    }
    guard block.has([0xeb, 0x58, 0x90], at: 0) else { return nil }
    if block.has("-FVE-FS-", at: 3), block.has(identifier, at: 160) {
      place = block.little(176)
    } else if block.has("MSWIN4.1", at: 3), block.has(identifier, at: 424) {
      place = block.little(440)
    } else {
      return nil
    }
    return bitLocker(block, version: try metadataVersion(&volume, place))
  }

  private static func bitLocker(_ block: Block, version: String?) -> FilesystemSignature {
    var result = FilesystemSignature("BitLocker", .crypto, magics: [0..<11] + bootMark(block))
    result.version = version
    return result
  }

  /// The version in the metadata block at `offset`, if there is one.
  private static func metadataVersion(_ volume: inout Volume, _ offset: UInt64?) throws -> String? {
    guard let offset, let block = try volume.block(offset, 64, magic: "-FVE-FS-", at: 0) else { return nil }
    return String(block.little(10, UInt16.self))
  }
}

extension String {
  /// The text's characters, all below U+0100, as one byte each.
  fileprivate var luksMagic: [UInt8] { unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) } }
}
