import BlockIO
import Bytes
import Filesystems

extension BootSector {
  /// The sector that FAT32's copy of the boot sector is in, wherever a formatter had a choice.
  static let copySector: UInt64 = 6

  /// The copy of a FAT32 volume's boot sector, found without the first; nil where there is none.
  ///
  /// It has to say in every way that it is one: by FAT32's name, by the place that it gives itself, and by the table
  /// that it points to, whose first entry repeats the media byte.
  static func copy(on volume: any BlockSource) throws -> BootSector? {
    for sectorSize: UInt64 in [512, 1024, 2048, 4096] {
      let place = copySector * sectorSize
      guard volume.byteCount >= place + UInt64(size) else { return nil }
      let block = try MetadataBlock(of: volume, at: place, count: size)
      guard isMarked(block.bytes), block.bytes.slice(82, 8).array == Array("FAT32   ".utf8),
        let boot = try? BootSector(parsing: block.bytes), UInt64(boot.sectorSize) == sectorSize,
        let wide = boot.wide, UInt64(wide.backupSector) == copySector
      else { continue }
      let table = UInt64(boot.reservedSectors) * sectorSize
      guard boot.reservedSectors > copySector, volume.byteCount >= table + 4 else { continue }
      let start = try MetadataBlock(of: volume, at: table, count: 4)
      let entry: UInt32 = start.bytes.littleEndian(at: 0)
      if entry & 0x0fff_ffff == 0x0fff_ff00 | UInt32(boot.media) { return boot }
    }
    return nil
  }
}
