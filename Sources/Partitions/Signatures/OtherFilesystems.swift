import Bytes

// Filesystems of other systems, and of optical discs.

extension FilesystemSignature {
  /// NTFS; the label is the `$VOLUME_NAME` of the fourth record of the master file table.
  static func ntfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(0, 512, magic: "NTFS    ", at: 3) else { return nil }
    let sectorSize = UInt64(block.little(11, UInt16.self))
    let code: UInt8 = block.little(13)
    let clusterSectors: UInt64 = code > 0x80 ? (code >= 0xe0 ? 1 << UInt64(256 - Int(code)) : 0) : UInt64(code)
    guard 256...4096 ~= sectorSize, sectorSize.nonzeroBitCount == 1, clusterSectors.nonzeroBitCount == 1 else {
      return nil
    }
    var result = FilesystemSignature("ntfs", magics: [3..<11] + bootMark(block))
    result.uuid = block.little(72, UInt64.self).hexadecimal(16).uppercased()
    let cluster = sectorSize * clusterSectors
    let record: Int8 = block.little(64)
    let shift = -Int(record)
    let recordSize = record > 0 ? UInt64(record) * cluster : shift <= 16 ? 1 << UInt64(shift) : 0
    guard 256...65536 ~= recordSize, let table = block.little(48, UInt64.self).multiplied(by: cluster),
      let place = table.adding(3 * recordSize)
    else { return result }
    result.label = try ntfsLabel(&volume, record: place, count: Int(recordSize))
    return result
  }

  private static func ntfsLabel(_ volume: inout Volume, record: UInt64, count: Int) throws -> String? {
    guard let record = try volume.block(record, count, magic: "FILE", at: 0) else { return nil }
    var position = Int(record.little(20, UInt16.self))
    while position <= count - 24 {
      let type: UInt32 = record.little(position)
      let length = Int(record.little(position + 4, UInt32.self))
      guard type != ~0, length >= 24, length <= count - position else { return nil }
      if type == 0x60 {
        let bytes = Int(record.little(position + 16, UInt32.self))
        let value = Int(record.little(position + 20, UInt16.self))
        guard bytes <= count - position - value else { return nil }
        return record.wideLabel(position + value, bytes / 2)
      }
      position += length
    }
    return nil
  }

  /// APFS: a container's superblock (Apple File System Reference).
  static func apfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let block = try volume.block(0, 4096, magic: "NXSB", at: 32), block.little(24, UInt16.self) == 1,
      block.little(28, UInt32.self) == 0, block.little(36, UInt32.self) == 4096
    else { return nil }
    var result = FilesystemSignature("apfs", at: 32, 4)
    result.uuid = block.uuid(72)
    return result
  }

  /// ISO 9660 with its Joliet extension (ECMA-119); the UUID is the time of its last change.
  static func iso9660(_ volume: inout Volume) throws -> FilesystemSignature? {
    var primary: Block?
    var joliet: Block?
    for sector in UInt64(16)..<32 {
      guard let block = try volume.block(sector * 2048, 2048, magic: "CD001", at: 1) else { break }
      let type: UInt8 = block.little(0)
      if type == 255 { break }
      if type == 1, primary == nil { primary = block }
      if type == 2, ["%/@", "%/C", "%/E"].contains(where: { block.has($0, at: 88) }) {
        joliet = block
        break
      }
    }
    guard let primary else { return nil }
    var result = FilesystemSignature("iso9660", at: 32769, 5)
    result.uuid = discTime(primary, 830) ?? discTime(primary, 813)
    result.label = primary.label(40, 32)
    if let joliet {
      result.version = "Joliet Extension"
      let wide = joliet.wideLabel(40, 16, bigEndian: true)
      if let wide, !isSameText(wide, result.label ?? "") { result.label = wide }
      if let wide, let plain = result.label, isSameText(wide, plain) {
        result.label = Block.trimmed(wide + String(plain.dropFirst(wide.count)))
      }
    }
    return result
  }

  /// Whether `plain` starts with `wide`, where `_` in it stands for any character and case does not count.
  private static func isSameText(_ wide: String, _ plain: String) -> Bool {
    let plain = Array(plain)
    guard plain.count >= wide.count, wide.count == 16 || plain.count == wide.count else { return false }
    return zip(wide, plain).allSatisfy { $0 == $1 || $1 == "_" || $0.uppercased() == $1.uppercased() }
  }

  /// Sixteen digits of a date as `YYYY-MM-DD-hh-mm-ss-cc`; nil where it is not set.
  private static func discTime(_ block: Block, _ position: Int) -> String? {
    let digits = block.slice(position, 16)
    guard digits.count == 16, digits.contains(where: { $0 != 0x30 && $0 != 0 }),
      digits.allSatisfy({ 0x30...0x39 ~= $0 })
    else { return nil }
    let text = String(decoding: digits, as: UTF8.self)
    var rest = text[...]
    var groups: [Substring] = []
    for length in [4, 2, 2, 2, 2, 2, 2] {
      groups.append(rest.prefix(length))
      rest = rest.dropFirst(length)
    }
    return groups.joined(separator: "-")
  }

  /// HFS, HFS+ and HFSX, the latter two also inside an HFS wrapper (Apple TN1150).
  static func hfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    guard let outer = try volume.block(1024, 512) else { return nil }
    var base: UInt64 = 0
    var header = outer
    if outer.has("BD", at: 0) {
      guard outer.has("H+", at: 124) || outer.has("HX", at: 124) else { return plainHFS(outer) }
      let size = UInt64(outer.big(20, UInt32.self))
      base = UInt64(outer.big(28, UInt16.self)) * 512 + UInt64(outer.big(126, UInt16.self)) * size
      guard let inner = try volume.block(base + 1024, 512) else { return nil }
      header = inner
    }
    guard header.has("H+", at: 0) || header.has("HX", at: 0) else { return nil }
    var result = FilesystemSignature("hfsplus", at: base + 1024, 2)
    if base > 0 { result.magics.append(1024..<1026) }
    result.uuid = finderUUID(header.slice(104, 8))
    result.label = try hfsPlusLabel(&volume, base: base, header: header)
    return result
  }

  private static func plainHFS(_ block: Block) -> FilesystemSignature? {
    let size: UInt32 = block.big(20)
    guard size > 0, size % 512 == 0 else { return nil }
    var result = FilesystemSignature("hfs", at: 1024, 2)
    result.uuid = finderUUID(block.slice(116, 8))
    result.label = block.label(37, min(Int(block.little(36, UInt8.self)), 27))
    return result
  }

  /// A version 3 UUID of the eight bytes by which the Finder knows a volume; nil where all are zero.
  private static func finderUUID(_ identifier: [UInt8]) -> String? {
    guard identifier.count == 8, identifier.contains(where: { $0 != 0 }) else { return nil }
    let namespace: [UInt8] = [
      0xb3, 0xe2, 0x0f, 0x39, 0xf2, 0x92, 0x11, 0xd6, 0x97, 0xa4, 0x00, 0x30, 0x65, 0x43, 0xec, 0xac,
    ]
    var digest = MD5.of(namespace + identifier)
    digest[6] = digest[6] & 0x0f | 0x30
    digest[8] = digest[8] & 0x3f | 0x80
    return Block(offset: 0, bytes: digest).uuid(0)
  }

  /// The name of the root folder: the first key of the catalogue's first leaf.
  private static func hfsPlusLabel(_ volume: inout Volume, base: UInt64, header: Block) throws -> String? {
    let blockSize = UInt64(header.big(40, UInt32.self))
    guard blockSize >= 512, blockSize.nonzeroBitCount == 1 else { return nil }
    let extents = (0..<8).map { index in
      (start: UInt64(header.big(288 + 8 * index, UInt32.self)), count: UInt64(header.big(292 + 8 * index, UInt32.self)))
    }
    guard let first = extents.first, let tree = base.adding(first.start * blockSize),
      let descriptor = try volume.block(tree, 512)
    else { return nil }
    let nodeSize = UInt64(descriptor.big(32, UInt16.self))
    var rest = UInt64(descriptor.big(24, UInt32.self)) * nodeSize
    guard nodeSize >= 512, nodeSize.nonzeroBitCount == 1, rest > 0 else { return nil }
    for extent in extents {
      let length = extent.count * blockSize
      guard rest >= length else {
        guard let place = base.adding(extent.start * blockSize)?.adding(rest),
          let leaf = try volume.block(place, Int(nodeSize)), leaf.little(8, UInt8.self) == 0xff,
          leaf.big(16, UInt32.self) == 1
        else { return nil }
        return leaf.wideLabel(22, min(Int(leaf.big(20, UInt16.self)), 255), bigEndian: true)
      }
      rest -= length
    }
    return nil
  }
}
