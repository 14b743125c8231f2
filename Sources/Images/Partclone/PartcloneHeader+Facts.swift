package import Bytes

extension PartcloneHeader {
  /// Every field, for `info`.
  package var facts: Record {
    var facts = Record()
    facts.add("virtual-size", .size(deviceSize))
    facts.add("image-version", .text(version.rawValue))
    facts.add("filesystem", .text(filesystem.printable))
    if version == .v2 { facts.add("written-by", .text("partclone " + writer.printable)) }
    facts.add("byte-order", .text(order == .little ? "little-endian" : "big-endian"))
    if version == .v2 { facts.add("writer-word-bits", .count(UInt64(wordBits))) }
    facts.add("device-size", .size(deviceSize))
    facts.add("block-size", .size(UInt64(blockSize)))
    facts.add("total-blocks", .count(totalBlocks))
    facts.add("used-blocks", .count(usedBlocks))
    facts.add("superblock-used-blocks", superblockUsedBlocks.map { .count($0) })
    facts.add("used-size", .size(usedBlocks * UInt64(blockSize)))
    facts.add("checksum", .text("\(checksum)"))
    facts.add("checksum-size", .size(UInt64(checksum.byteCount)))
    facts.add("blocks-per-checksum", .count(blocksPerChecksum))
    if checksum != .none { facts.add("checksum-restarts", .flag(reseeds)) }
    facts.add("bitmap", .text(bitmapMode.name))
    if let crc {
      facts.add("header-crc", .text(UInt64(crc.stored).hex))
      facts.add("header-intact", .flag(isIntact))
    }
    return facts
  }
}

extension PartcloneHeader.BitmapMode {
  /// What `info` calls it.
  var name: String {
    switch self {
    case .none: "none (every block stored)"
    case .bits: "one bit per block"
    case .bytes: "one byte per block"
    }
  }
}
