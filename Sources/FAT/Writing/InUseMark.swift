import BlockIO
import Bytes
import Filesystems

/// What tells that a volume is in use: a bit of the boot sector, which Linux and fsck.fat look at, and one of the table's
/// entry 1, which Windows does.
struct InUseMark {
  /// A byte with a bit that is to be set, or cleared, while the volume is in use.
  private struct Place {
    let offset: UInt64
    let bit: UInt8
    let isSet: Bool
  }

  private var places: [Place] = []
  /// Whether the volume is marked by us.
  private(set) var isSet = false

  /// Marks that were there before are left alone, so that the volume stays to be checked.
  init(of volume: FATVolume) {
    let boot = volume.boot
    if let state = boot.state, state & 1 == 0 {
      let part = BootSector.extendedPart(isWide: boot.wide != nil)
      places.append(Place(offset: UInt64(part + BootSector.Offset.state), bit: 1, isSet: true))
    }
    let width = volume.table.width
    guard width != .bits12, let value = try? volume.table.value(of: 1) else { return }
    let clean: UInt32 = width == .bits16 ? 1 << 15 : 1 << 27
    guard value & clean != 0 else { return }
    // The bit lies in the entry's last byte.
    let entry = width.offset(of: 2) - 1
    for start in TableCopies(of: volume).starts {
      places.append(Place(offset: start + entry, bit: width == .bits16 ? 0x80 : 0x08, isSet: false))
    }
  }

  /// Marks the volume, and waits until that is on the medium; does nothing where it is marked.
  mutating func set(in volume: StagedVolume) throws {
    guard !isSet else { return }
    try store(isInUse: true, in: volume)
    isSet = true
  }

  /// Takes the marks away.
  mutating func clear(in volume: StagedVolume) throws {
    try store(isInUse: false, in: volume)
    isSet = false
  }

  private func store(isInUse: Bool, in volume: StagedVolume) throws {
    var buffer = Buffer(count: 1)
    for place in isInUse ? places : places.reversed() {
      var byte = buffer.mutablePrefix(1)
      try volume.read(at: place.offset, into: &byte)
      let old: UInt8 = byte.bytes.littleEndian(at: 0)
      byte.store(littleEndian: place.isSet == isInUse ? old | place.bit : old & ~place.bit, at: 0)
      try volume.writeThrough(byte.bytes, at: place.offset)
    }
    try volume.flush()
  }
}
