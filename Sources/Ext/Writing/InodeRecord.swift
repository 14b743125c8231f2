import Bytes
import Filesystems

/// An inode's bytes, to be changed and written back.
struct InodeRecord {
  let number: UInt32
  private(set) var bytes: [UInt8]
  /// Whether the size has an upper half for directories too (large_dir).
  private let hasLargeDirectories: Bool
  private let isHurd: Bool

  /// The inode `number` with these bytes, 128 at least.
  init(number: UInt32, bytes: [UInt8], _ superblock: Superblock) {
    self.number = number
    self.bytes = bytes
    hasLargeDirectories = superblock.incompatible.contains(.largeDirectories)
    isHurd = superblock.creatorOS == 1
  }

  /// The integer at `offset`.
  func load<T: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, as type: T.Type = T.self) -> T {
    bytes.raw.littleEndian(at: offset)
  }

  /// Sets the integer at `offset`.
  mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at offset: Int) {
    bytes.store(value, at: offset)
  }

  /// Replaces the bytes from `offset` on.
  mutating func replace(at offset: Int, with new: [UInt8]) {
    bytes.replaceSubrange(offset..<(offset + new.count), with: new)
  }

  /// Puts `low` and `high` together, or apart.
  private func halves(_ low: Int, _ high: Int) -> UInt32 {
    UInt32(load(low, as: UInt16.self)) | UInt32(load(high, as: UInt16.self)) << 16
  }

  private mutating func setHalves(_ value: UInt32, _ low: Int, _ high: Int) {
    store(UInt16(truncatingIfNeeded: value), at: low)
    store(UInt16(truncatingIfNeeded: value >> 16), at: high)
  }

  var mode: UInt16 {
    get { load(Inode.Field.mode) }
    set { store(newValue, at: Inode.Field.mode) }
  }
  var kind: FileKind? { FileKind(mode: mode) }

  var owner: UInt32 {
    get { halves(Inode.Field.ownerLow, Inode.Field.ownerHigh) }
    set { setHalves(newValue, Inode.Field.ownerLow, Inode.Field.ownerHigh) }
  }
  var group: UInt32 {
    get { halves(Inode.Field.groupLow, Inode.Field.groupHigh) }
    set { setHalves(newValue, Inode.Field.groupLow, Inode.Field.groupHigh) }
  }

  /// Size in bytes.
  var size: UInt64 {
    get {
      UInt64(load(Inode.Field.sizeLow, as: UInt32.self))
        | (isLong ? UInt64(load(Inode.Field.sizeHigh, as: UInt32.self)) << 32 : 0)
    }
    set {
      store(UInt32(truncatingIfNeeded: newValue), at: Inode.Field.sizeLow)
      if isLong { store(UInt32(truncatingIfNeeded: newValue >> 32), at: Inode.Field.sizeHigh) }
    }
  }
  /// Whether the size may need more than 32 bits.
  var hasLongSize: Bool { isLong }
  private var isLong: Bool { kind == .regular || hasLargeDirectories }

  var linkCount: UInt16 {
    get { load(Inode.Field.linkCount) }
    set { store(newValue, at: Inode.Field.linkCount) }
  }
  var flags: InodeFlags {
    get { InodeFlags(rawValue: load(Inode.Field.flags)) }
    set { store(newValue.rawValue, at: Inode.Field.flags) }
  }
  var generation: UInt32 {
    get { load(Inode.Field.generation) }
    set { store(newValue, at: Inode.Field.generation) }
  }
  /// When it was deleted, in seconds; of an orphan the next one's number.
  var deleted: UInt32 {
    get { load(Inode.Field.deleted) }
    set { store(newValue, at: Inode.Field.deleted) }
  }

  /// The block with extended attributes; 0 for none.
  var attributeBlock: UInt64 {
    get {
      UInt64(load(Inode.Field.attributeBlockLow, as: UInt32.self))
        | (isHurd ? 0 : UInt64(load(Inode.Field.attributeBlockHigh, as: UInt16.self)) << 32)
    }
    set {
      store(UInt32(truncatingIfNeeded: newValue), at: Inode.Field.attributeBlockLow)
      if !isHurd { store(UInt16(truncatingIfNeeded: newValue >> 32), at: Inode.Field.attributeBlockHigh) }
    }
  }

  /// The 60 bytes of the map of blocks.
  var map: [UInt8] {
    get { Array(bytes[Inode.Field.map..<(Inode.Field.map + Inode.mapByteCount)]) }
    set { replace(at: Inode.Field.map, with: newValue) }
  }

  /// How many bytes behind the first 128 hold fields.
  var extraByteCount: Int {
    bytes.count > Inode.oldByteCount ? Int(load(Inode.Field.extraSize, as: UInt16.self)) : 0
  }

  /// Whether a field of `count` bytes at `field` lies in what the inode says it uses.
  func holds(_ field: Int, _ count: Int) -> Bool { Inode.oldByteCount + extraByteCount >= field + count }

  /// Sets a time, with nanoseconds and more bits of the seconds where there is room for them; the nearest that fits.
  mutating func setTime(_ field: Int, extra: Int, _ time: Timestamp) {
    let latest = Int64(Int32.max) + (holds(extra, 4) ? 3 << 32 : 0)
    let seconds = min(max(time.seconds, Int64(Int32.min)), latest)
    let time = Timestamp(seconds: seconds, nanoseconds: time.nanoseconds)
    store(UInt32(truncatingIfNeeded: time.seconds), at: field)
    guard holds(extra, 4) else { return }
    let low = Int64(Int32(truncatingIfNeeded: time.seconds))
    let epoch = UInt32(truncatingIfNeeded: (time.seconds - low) >> 32) & 3
    store(time.nanoseconds << 2 | epoch, at: extra)
  }

  mutating func setModified(_ time: Timestamp) { setTime(Inode.Field.modified, extra: Inode.Field.modifiedExtra, time) }
  mutating func setChanged(_ time: Timestamp) { setTime(Inode.Field.changed, extra: Inode.Field.changedExtra, time) }
  mutating func setAccessed(_ time: Timestamp) { setTime(Inode.Field.accessed, extra: Inode.Field.accessedExtra, time) }
  mutating func setCreated(_ time: Timestamp) {
    if holds(Inode.Field.created, 4) { setTime(Inode.Field.created, extra: Inode.Field.createdExtra, time) }
  }

  /// Makes the checksum, from the seed of all checksums of the volume.
  mutating func seal(seed volumeSeed: UInt32) {
    var crc = CRC32C(register: volumeSeed)
    crc.update(littleEndian: number)
    crc.update(littleEndian: generation)
    store(UInt16(0), at: Inode.Field.checksumLow)
    let isWide = holds(Inode.Field.checksumHigh, 2)
    if isWide { store(UInt16(0), at: Inode.Field.checksumHigh) }
    crc.update(bytes.raw)
    store(UInt16(truncatingIfNeeded: crc.register), at: Inode.Field.checksumLow)
    if isWide { store(UInt16(truncatingIfNeeded: crc.register >> 16), at: Inode.Field.checksumHigh) }
  }
}
