import Bytes

extension FilesystemSignature {
  /// ZFS: uberblocks in the four labels, two at the start and two at the end (ZFS On-Disk Specification).
  static func zfs(_ volume: inout Volume) throws -> FilesystemSignature? {
    let label: UInt64 = 256 << 10
    guard volume.byteCount >= 4 * label else { return nil }
    let end = volume.byteCount / label * label
    var magics: [Range<UInt64>] = []
    var version: UInt64?
    var source: UInt64?
    for start in [0, label, end - 2 * label, end - label] {
      guard let ring = try volume.block(start + 128 << 10, 128 << 10) else { continue }
      for position in stride(from: 0, to: 128 << 10, by: 1024) {
        let isLittle = ring.little(position, UInt64.self) == 0x00ba_b10c
        guard isLittle || ring.big(position, UInt64.self) == 0x00ba_b10c else { continue }
        let place = ring.offset + UInt64(position)
        magics.append(place..<(place + 8))
        version = version ?? (isLittle ? ring.little(position + 8) : ring.big(position + 8))
        source = source ?? start
      }
    }
    guard magics.count >= 4, let source, let version else { return nil }
    var result = FilesystemSignature("zfs_member", magics: magics)
    result.version = String(version)
    if let list = try volume.block(source + 16 << 10, 112 << 10) { read(list, into: &result) }
    return result
  }

  /// Takes name, pool and device out of a label's list of named values, stored as XDR.
  private static func read(_ list: Block, into result: inout FilesystemSignature) {
    var position = 12
    while position <= list.bytes.count - 24 {
      let size = Int(list.big(position, UInt32.self))
      guard size >= 20, size <= list.bytes.count - position else { return }
      let nameLength = Int(list.big(position + 8, UInt32.self))
      guard nameLength <= size - 20 else { return }
      let name = list.label(position + 12, nameLength)
      let value = position + 12 + (nameLength + 3) / 4 * 4
      let type: UInt32 = list.big(value)
      switch (name, type) {
      case ("name", 9): result.label = list.label(value + 12, min(Int(list.big(value + 8, UInt32.self)), 255))
      case ("pool_guid", 8): result.uuid = String(list.big(value + 8, UInt64.self))
      case ("guid", 8): result.deviceUUID = String(list.big(value + 8, UInt64.self))
      default: break
      }
      position += size
    }
  }
}
