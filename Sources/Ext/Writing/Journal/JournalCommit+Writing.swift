import Bytes
import Filesystems

extension [UInt8] {
  /// Puts an integer at `offset`, its highest byte first; the range must lie inside.
  mutating func put<T: FixedWidthInteger>(bigEndian value: T, at offset: Int) {
    let count = T.bitWidth / 8
    for index in 0..<count {
      self[offset + index] = UInt8(truncatingIfNeeded: value >> T(8 * (count - 1 - index)))
    }
  }

  /// Puts an integer at `offset`, its lowest byte first; the range must lie inside.
  mutating func put<T: FixedWidthInteger>(littleEndian value: T, at offset: Int) {
    for index in 0..<(T.bitWidth / 8) {
      self[offset + index] = UInt8(truncatingIfNeeded: value >> T(8 * index))
    }
  }
}

extension JournalHeader {
  /// A block of zeroes that starts as a `kind` of transaction `sequence`.
  static func block(_ kind: Kind, _ sequence: UInt32, byteCount: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    bytes.put(bigEndian: magic, at: 0)
    bytes.put(bigEndian: kind.rawValue, at: 4)
    bytes.put(bigEndian: sequence, at: 8)
    return bytes
  }
}

extension JournalTag {
  /// How many tags a descriptor block of `blockSize` bytes holds.
  static func limit(_ features: JournalSuperblock.Incompatible, blockSize: Int) -> Int {
    let tail = features.hasBlockChecksums ? 4 : 0
    return (blockSize - JournalHeader.byteCount - identifierByteCount - tail) / byteCount(features)
  }

  /// Writes the tag at `place` of a descriptor; the first one is followed by the journal's identifier, and all others
  /// share it.
  func put(
    in bytes: inout [UInt8], at place: Int, _ features: JournalSuperblock.Incompatible, isFirst: Bool, isLast: Bool
  ) {
    let flags = (isEscaped ? Flag.escaped : 0) | (isFirst ? 0 : Flag.sameUUID) | (isLast ? Flag.last : 0)
    bytes.put(bigEndian: UInt32(truncatingIfNeeded: block), at: place + Field.block)
    let high = UInt32(truncatingIfNeeded: block >> 32)
    if features.contains(.checksumsV3) {
      bytes.put(bigEndian: flags, at: place + Field.flagsV3)
      bytes.put(bigEndian: features.contains(.wide) ? high : 0, at: place + Field.blockHighV3)
      bytes.put(bigEndian: checksum, at: place + Field.checksumV3)
      return
    }
    if features.contains(.checksumsV2) {
      bytes.put(bigEndian: UInt16(truncatingIfNeeded: checksum), at: place + Field.checksumV2)
    }
    bytes.put(bigEndian: UInt16(truncatingIfNeeded: flags), at: place + Field.flagsV2)
    if features.contains(.wide) { bytes.put(bigEndian: high, at: place + Field.blockHighV2) }
  }
}

extension JournalCommit {
  /// The block that ends transaction `sequence` at `time`.
  ///
  /// With `sum`, of a transaction's blocks, as it was before version 2 of the checksums; with `seed`, with the block's
  /// own as since then.
  static func block(
    _ sequence: UInt32, at time: Timestamp, byteCount: Int, sum: UInt32?, seed: UInt32?
  ) -> [UInt8] {
    var bytes = JournalHeader.block(.commit, sequence, byteCount: byteCount)
    bytes.put(bigEndian: UInt64(bitPattern: time.seconds), at: Field.seconds)
    bytes.put(bigEndian: time.nanoseconds, at: Field.nanoseconds)
    if let sum {
      bytes[Field.checksumType] = 1
      bytes[Field.checksumSize] = 4
      bytes.put(bigEndian: sum, at: Field.checksum)
    }
    if let seed {
      var crc = CRC32C(register: seed)
      crc.update(bytes.raw)
      bytes.put(bigEndian: crc.register, at: Field.checksum)
    }
    return bytes
  }

  /// Puts the checksum into the last four bytes of a descriptor.
  static func seal(_ bytes: inout [UInt8], seed: UInt32) {
    let tail = bytes.count - 4
    bytes.put(bigEndian: UInt32(0), at: tail)
    var crc = CRC32C(register: seed)
    crc.update(bytes.raw)
    bytes.put(bigEndian: crc.register, at: tail)
  }
}
