import Bytes

// Filesystems of Linux, and swap.

extension FilesystemSignature {
  /// ext2, ext3, ext4 and their journals: the superblock after 1 KiB (Documentation/filesystems/ext4).
  static func ext(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(1024, 1024), block.little(56, UInt16.self) == 0xef53 else { return nil }
    let compatible: UInt32 = block.little(92)
    let incompatible: UInt32 = block.little(96)
    let readOnly: UInt32 = block.little(100)
    if readOnly & 0x400 != 0, ~crc32c(block.slice(0, 1020)) != block.little(1020, UInt32.self) { return nil }
    let hasJournal = compatible & 4 != 0
    let isOld = readOnly & ~7 == 0 && incompatible & ~(hasJournal ? 0x16 : 0x12) == 0
    let isJournal = incompatible & 8 != 0
    let type = isJournal ? "jbd" : isOld ? (hasJournal ? "ext3" : "ext2") : "ext4"
    var result = FilesystemSignature(type, isJournal ? .other : .filesystem, at: 1080, 2)
    result.uuid = block.uuid(104)
    result.label = block.label(120, 16)
    result.version = "\(block.little(76, UInt32.self)).\(block.little(62, UInt16.self))"
    return result
  }

  /// XFS (XFS Algorithms & Data Structures).
  static func xfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(0, 512, magic: "XFSB", at: 0) else { return nil }
    let blockSize: UInt32 = block.big(4)
    let sectorSize: UInt16 = block.big(102)
    guard 512...65536 ~= blockSize, blockSize.nonzeroBitCount == 1, 512...32768 ~= sectorSize,
      sectorSize.nonzeroBitCount == 1, block.big(88, UInt32.self) > 0
    else { return nil }
    var result = FilesystemSignature("xfs", at: 0, 4)
    result.uuid = block.uuid(32)
    result.label = block.label(108, 12)
    return result
  }

  /// Btrfs: the superblock after 64 KiB and its copies (btrfs.readthedocs.io, On-disk Format).
  static func btrfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    let magic = "_BHRfS_M"
    guard let block = try volume.block(65536, 4096, magic: magic, at: 64) else { return nil }
    if block.little(196, UInt16.self) == 0, crc32c(block.slice(32, 4064)) != block.little(0, UInt32.self) {
      return nil
    }
    var result = FilesystemSignature("btrfs", at: 65536 + 64, 8)
    for copy in [UInt64(64) << 20, UInt64(256) << 30]
    where try volume.block(copy, 128, magic: magic, at: 64) != nil {
      result.magics.append((copy + 64)..<(copy + 72))
    }
    result.uuid = block.uuid(32)
    result.deviceUUID = block.uuid(267)
    result.label = block.label(299, 256)
    return result
  }

  /// F2FS: two superblocks, after 1 KiB and 5 KiB (linux/f2fs_fs.h).
  static func f2fs(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(1024, 2048), block.little(0, UInt32.self) == 0xf2f5_2010 else { return nil }
    var result = FilesystemSignature("f2fs", at: 1024, 4)
    if let copy = try volume.block(5120, 4), copy.little(0, UInt32.self) == 0xf2f5_2010 {
      result.magics.append(5120..<5124)
    }
    let major: UInt16 = block.little(4)
    let minor: UInt16 = block.little(6)
    // The layout of version 1.0 is another one.
    if major == 1 && minor == 0 { return result }
    result.version = "\(major).\(minor)"
    result.uuid = block.uuid(108)
    result.label = block.wideLabel(124, 512)
    return result
  }

  /// ReiserFS 3.5, 3.6 and Reiser4: the superblock after 64 KiB or 8 KiB.
  static func reiser(_ volume: inout Volume) throws -> FilesystemSignature? {
    if let block = try volume.block(65536, 512, magic: "ReIsEr4", at: 0) {
      var result = FilesystemSignature("reiser4", at: 65536, 7)
      result.version = "4"
      result.uuid = block.uuid(20)
      result.label = block.label(36, 16)
      return result
    }
    for place in [UInt64(65536), 8192] {
      guard let block = try volume.block(place, 512) else { continue }
      for (magic, version) in [("ReIsEr2Fs", "3.6"), ("ReIsEr3Fs", "JR"), ("ReIsErFs", "3.5")]
      where block.has(magic, at: 52) {
        let units = UInt64(block.little(44, UInt16.self)) / 512
        guard units > 0, place / 1024 / units <= UInt64(block.little(12, UInt32.self)) / 2 else { continue }
        var result = FilesystemSignature("reiserfs", at: place + 52, UInt64(magic.utf8.count))
        result.version = version
        if version != "3.5" {
          result.uuid = block.uuid(84)
          result.label = block.label(100, 16)
        }
        return result
      }
    }
    return nil
  }

  /// JFS: the superblock after 32 KiB, and its copy after 60 KiB.
  static func jfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(32768, 512, magic: "JFS1", at: 0) else { return nil }
    let shift: UInt16 = block.little(20)
    let physicalShift: UInt16 = block.little(28)
    guard shift < 32, physicalShift <= shift, block.little(16, UInt32.self) == 1 << UInt32(shift),
      block.little(24, UInt32.self) == 1 << UInt32(physicalShift),
      shift - physicalShift == block.little(22, UInt16.self)
    else { return nil }
    var result = FilesystemSignature("jfs", at: 32768, 4)
    result.uuid = block.uuid(136)
    result.label = block.label(152, 16)
    return result
  }

  /// Squashfs, little-endian; before version 4 also big-endian.
  static func squashfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(0, 96) else { return nil }
    let isLittle = block.has("hsqs", at: 0)
    guard isLittle || block.has("sqsh", at: 0) else { return nil }
    let major: UInt16 = isLittle ? block.little(28) : block.big(28)
    let minor: UInt16 = isLittle ? block.little(30) : block.big(30)
    guard major <= 4, isLittle || major < 4 else { return nil }
    var result = FilesystemSignature(major < 4 ? "squashfs3" : "squashfs", at: 0, 4)
    result.version = "\(major).\(minor)"
    return result
  }

  /// Swap space in either byte order, and swap space that holds a suspended system: a mark at the end of the first page.
  static func swap(_ volume: inout Volume) throws -> FilesystemSignature? {
    let marks: [(mark: [UInt8], type: String, version: String)] = [
      (Array("SWAPSPACE2".utf8), "swap", "1"), (Array("SWAP-SPACE".utf8), "swap", "0"),
      (Array("S1SUSPEND".utf8), "swsuspend", "s1suspend"), (Array("S2SUSPEND".utf8), "swsuspend", "s2suspend"),
      (Array("ULSUSPEND".utf8), "swsuspend", "ulsuspend"), (Array("LINHIB0001".utf8), "swsuspend", "linhib0001"),
      ([0xed, 0xc3, 0x02, 0xe9, 0x98, 0x56, 0xe5, 0x0c], "swsuspend", "tuxonice"),
    ]
    for page in [UInt64(4096), 8192, 16384, 32768, 65536] {
      guard let end = try volume.block(page - 10, 10) else { break }
      guard let found = marks.first(where: { end.has($0.mark, at: 0) }) else { continue }
      guard let header = try volume.block(1024, 512) else { break }
      var result = FilesystemSignature(found.type, .other, at: page - 10, UInt64(found.mark.count))
      result.version = found.version
      if found.version == "0" { return result }
      let version: UInt32 = header.little(0)
      if found.type == "swap", version != 1, version.byteSwapped != 1 { continue }
      if found.version == "tuxonice" { return result }
      result.uuid = header.uuid(12)
      result.label = header.label(28, 16)
      return result
    }
    return nil
  }
}
