/// CRC-32C (Castagnoli), the one of iSCSI, ext4, XFS and Btrfs: "123456789" gives 0xE3069283.
///
/// Eight bytes at a time from eight tables.
@safe
package struct CRC32C: Sendable {
  /// The shift register, which starts as all ones unless told; what jbd2 and ext4 store as it is.
  package private(set) var register: UInt32

  package init(register: UInt32 = ~0) { self.register = register }

  /// The checksum of the bytes so far, with the final inversion.
  package var value: UInt32 { ~register }

  /// Eight tables of 256 words, one after the other.
  private static let tables: [UInt32] = {
    var tables = [UInt32](repeating: 0, count: 8 * 256)
    for byte in 0..<256 {
      var word = UInt32(byte)
      for _ in 0..<8 { word = word & 1 == 0 ? word >> 1 : word >> 1 ^ 0x82f6_3b78 }
      tables[byte] = word
    }
    for place in 256..<(8 * 256) {
      let before = tables[place - 256]
      tables[place] = before >> 8 ^ tables[Int(before & 0xff)]
    }
    return tables
  }()

  package mutating func update(_ bytes: RawSpan) {
    register = unsafe Self.tables.withUnsafeBufferPointer { tables in
      unsafe bytes.withUnsafeBytes { bytes in unsafe Self.advance(register, over: bytes, tables) }
    }
  }

  // Safe: the places in `tables` are below 8 × 256 by their masks, and `place` stays below the count.
  private static func advance(
    _ register: UInt32, over bytes: UnsafeRawBufferPointer, _ tables: UnsafeBufferPointer<UInt32>
  ) -> UInt32 {
    var crc = register
    var place = 0
    guard let base = bytes.baseAddress, let table = tables.baseAddress else { return register }
    while bytes.count - place >= 8 {
      let word = unsafe UInt64(littleEndian: (base + place).loadUnaligned(as: UInt64.self)) ^ UInt64(crc)
      let low = unsafe table[1792 + Int(word & 0xff)] ^ table[1536 + Int(word >> 8 & 0xff)]
      let middle = unsafe table[1280 + Int(word >> 16 & 0xff)] ^ table[1024 + Int(word >> 24 & 0xff)]
      let upper = unsafe table[768 + Int(word >> 32 & 0xff)] ^ table[512 + Int(word >> 40 & 0xff)]
      let high = unsafe table[256 + Int(word >> 48 & 0xff)] ^ table[Int(word >> 56)]
      crc = low ^ middle ^ upper ^ high
      place += 8
    }
    while place < bytes.count {
      crc = unsafe crc >> 8 ^ table[Int((crc ^ UInt32((base + place).load(as: UInt8.self))) & 0xff)]
      place += 1
    }
    return crc
  }

  /// Goes on over `value` as it is stored little-endian.
  package mutating func update<T: FixedWidthInteger & BitwiseCopyable>(littleEndian value: T) {
    var value = value.littleEndian
    unsafe withUnsafeBytes(of: &value) { bytes in
      let span = unsafe RawSpan(_unsafeBytes: bytes)
      update(span)
    }
  }

  /// Goes on over `value` as it is stored big-endian.
  package mutating func update<T: FixedWidthInteger & BitwiseCopyable>(bigEndian value: T) {
    update(littleEndian: value.byteSwapped)
  }
}
