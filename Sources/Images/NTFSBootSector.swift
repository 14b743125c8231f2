import Bytes

/// NTFS's backup boot sector, rebuilt for images that leave it out: a copy of sector 0 behind the volume's last sector.
package struct NTFSBootSector: Sendable, Hashable {
  /// Where the copy belongs, in bytes from the start of the partition.
  package let offset: UInt64
  /// The copy: one sector.
  package let bytes: [UInt8]

  /// The byte after the copy's last.
  package var end: UInt64 { offset + UInt64(bytes.count) }

  /// Reads the boot sector at the front of `start`; nil unless it is NTFS's and the copy's place, which its
  /// total-sectors field (offset 40, in units of the u16 at 11) gives, lies inside `deviceSize` bytes.
  package init?(start: RawSpan, deviceSize: UInt64) {
    guard start.byteCount >= 512, start.littleEndian(at: 510, as: UInt16.self) == 0xaa55,
      start.littleEndian(at: 3, as: UInt64.self) == 0x2020_2020_5346_544e  // "NTFS    "
    else { return nil }
    let size = Int(start.littleEndian(at: 11, as: UInt16.self))
    let sectors: UInt64 = start.littleEndian(at: 40)
    guard [512, 1024, 2048, 4096].contains(size), start.byteCount >= size, sectors > 0,
      let offset = sectors.multiplied(by: UInt64(size)), let end = offset.adding(UInt64(size)), end <= deviceSize
    else { return nil }
    self.offset = offset
    bytes = start.slice(0, size).array
  }
}
