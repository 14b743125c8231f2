import Bytes

// Members of arrays and pools.

extension FilesystemSignature {
  /// Linux MD: 0.90 and 1.0 near the end, 1.1 at the start, 1.2 after 4 KiB (linux/raid/md_p.h).
  static func linuxRAID(_ volume: inout Volume) throws -> FilesystemSignature? {
    var found: FilesystemSignature?
    let old = volume.byteCount >= 65536 ? (volume.byteCount & ~65535) - 65536 : nil
    let late = volume.byteCount >= 8192 ? (volume.byteCount / 512 - 16) / 8 * 8 * 512 : nil
    if let late { try merge(raidV1(&volume, late, "1.0"), into: &found) }
    try merge(raidV1(&volume, 0, "1.1"), into: &found)
    try merge(raidV1(&volume, 4096, "1.2"), into: &found)
    if let old { try merge(raidV0(&volume, old), into: &found) }
    return found
  }

  /// Keeps the first of several superblocks and the places of all.
  private static func merge(_ next: FilesystemSignature?, into found: inout FilesystemSignature?) {
    guard let next else { return }
    if found == nil { found = next } else { found?.magics += next.magics }
  }

  private static func raidV1(_ volume: inout Volume, _ offset: UInt64, _ version: String) throws -> FilesystemSignature?
  {
    guard let block = try volume.block(offset, 256), block.little(0, UInt32.self) == 0xa92b_4efc,
      block.little(4, UInt32.self) == 1, block.little(144, UInt64.self) == offset / 512
    else { return nil }
    var result = FilesystemSignature("linux_raid_member", .raid, at: offset, 4)
    result.uuid = block.uuid(16)
    result.deviceUUID = block.uuid(168)
    result.label = block.label(32, 32)
    result.version = version
    return result
  }

  private static func raidV0(_ volume: inout Volume, _ offset: UInt64) throws -> FilesystemSignature? {
    guard let block = try volume.block(offset, 4096) else { return nil }
    let isLittle = block.little(0, UInt32.self) == 0xa92b_4efc
    guard isLittle || block.big(0, UInt32.self) == 0xa92b_4efc else { return nil }
    func word(_ position: Int) -> UInt32 { isLittle ? block.little(position) : block.big(position) }
    guard word(4) == 0 else { return nil }
    var identifier: [UInt8] = []
    for position in [20, 52, 56, 60] {
      let value = word(8) >= 90 || position == 20 ? word(position) : 0
      identifier += (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * UInt32($0))) }
    }
    var result = FilesystemSignature("linux_raid_member", .raid, at: offset, 4)
    result.uuid = Block(offset: 0, bytes: identifier).uuid(0)
    result.version = "\(word(4)).\(word(8)).\(word(12))"
    return result
  }

  /// bcache: a superblock after 4 KiB (linux/bcache.h).
  static func bcache(_ volume: inout Volume) throws -> FilesystemSignature? {
    let magic: [UInt8] = [
      0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81,
    ]
    guard let block = try volume.block(4096, 256), block.has(magic, at: 24), block.little(8, UInt64.self) == 8 else {
      return nil
    }
    var result = FilesystemSignature("bcache", .other, at: 4096 + 24, 16)
    result.uuid = block.uuid(40)
    result.label = block.label(72, 32)
    return result
  }

  /// LVM2 physical volumes: a label in one of the first four sectors (LVM2's label layout).
  static func lvm2(_ volume: inout Volume) throws -> FilesystemSignature? {
    for sector in [UInt64(1), 0, 2, 3] {
      guard let block = try volume.block(sector * 512, 512, magic: "LABELONE", at: 0),
        block.has("LVM2 001", at: 24), block.little(8, UInt64.self) == sector
      else { continue }
      var crc = CRC32(continuing: ~0xf597_a6cf)
      let covered = block.slice(20, 492)
      crc.update(covered.raw)
      guard ~crc.value == block.little(16, UInt32.self) else { continue }
      var result = FilesystemSignature("LVM2_member", .raid, at: sector * 512 + 24, 8)
      let identifier = Int(block.little(20, UInt32.self))
      result.uuid = lvmIdentifier(block.slice(identifier, 32))
      result.version = "LVM2 001"
      return result
    }
    return nil
  }

  /// LVM's own grouping of 32 characters; nil where they are not 32 letters and digits.
  private static func lvmIdentifier(_ bytes: [UInt8]) -> String? {
    guard bytes.count == 32, bytes.allSatisfy({ 0x21...0x7e ~= $0 }) else { return nil }
    var text = ""
    for (index, byte) in bytes.enumerated() {
      if index >= 6 && index <= 26 && index % 4 == 2 { text += "-" }
      text.unicodeScalars.append(Unicode.Scalar(byte))
    }
    return text
  }
}
