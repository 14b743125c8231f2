import BlockIO
import Bytes

/// A partimage image's main header, 16384 bytes.
struct PartimageMainHeader: Sendable {
  static let byteCount = 16384
  /// The most bytes that all records of disks may take together.
  private static let mostRecordBytes: UInt64 = 64 << 20

  let filesystem: String
  /// The partition's size in bytes.
  let partitionSize: UInt64
  /// How many records of disks follow, and the size of each in bytes.
  let records: (count: UInt32, size: UInt32)
  /// The fields that are for people.
  let facts: Record

  /// Whether it is a backup of NTFS.
  var isNTFS: Bool { filesystem == "ntfs" }

  /// Parses the header, which lies at `place` in the image; throws `ImageError`.
  init(parsing bytes: RawSpan, at place: UInt64, errors: BackupErrors) throws(ImageError) {
    filesystem = bytes.slice(0, 512).text
    partitionSize = bytes.littleEndian(at: 9592)
    guard partitionSize > 0, partitionSize <= 1 << 62 else {
      throw errors.damaged("a partition size of \(partitionSize) bytes is not possible", image: place + 9592)
    }
    let encryption: UInt32 = bytes.littleEndian(at: 9800)
    guard encryption == 0 else {
      throw errors.unsupported("the image is encrypted, by method \(encryption)", image: place + 9800)
    }
    records = (bytes.littleEndian(at: 9792), bytes.littleEndian(at: 9796))
    guard records.count == 0 || records.size >= 1164,
      UInt64(records.count) * UInt64(records.size) <= Self.mostRecordBytes
    else {
      throw errors.damaged(
        "\(records.count) records of disks of \(records.size) bytes are not possible", image: place + 9792)
    }
    facts = Self.facts(bytes)
  }

  private static func facts(_ bytes: RawSpan) -> Record {
    var facts = Record()
    func add(_ key: String, _ offset: Int, _ count: Int) {
      facts.add(key, .text(bytes.slice(offset, count).text.printable))
    }
    add("description", 512, 4096)
    add("device", 4608, 512)
    add("first-file", 5120, 4095)
    for (index, key) in ["system", "node", "release", "system-version", "machine"].enumerated() {
      add(key, 9215 + index * 65, 65)
    }
    let compression: UInt32 = bytes.littleEndian(at: 9540)
    let names = ["none", "gzip", "bzip2", "lzo"]
    facts.add("compression-asked-for", .text(compression < 4 ? names[Int(compression)] : "\(compression)"))
    facts.add("flags", .count(UInt64(bytes.littleEndian(at: 9544, as: UInt32.self))))
    facts.add("date", .text(date(bytes.slice(9548, 44))))
    add("host", 9600, 128)
    add("header-version", 9728, 64)
    facts.add("disk-records", .count(UInt64(bytes.littleEndian(at: 9792, as: UInt32.self))))
    facts.add("disk-record-size", .size(UInt64(bytes.littleEndian(at: 9796, as: UInt32.self))))
    return facts
  }

  /// Seconds, minutes, hours, days, months from 0, years from 1900 as `YYYY-MM-DD hh:mm:ss`.
  private static func date(_ bytes: RawSpan) -> String {
    let parts = (0..<6).map { UInt64(bytes.littleEndian(at: $0 * 4, as: UInt32.self)) }
    func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
    return "\(parts[5] + 1900)-\(two(parts[4] + 1))-\(two(parts[3])) \(two(parts[2])):\(two(parts[1])):\(two(parts[0]))"
  }
}

/// A partimage image's local header, 16384 bytes: the blocks and their bitmap.
struct PartimageLocalHeader: Sendable {
  static let byteCount = 16384

  /// In bytes: 512…64 Mi.
  let blockSize: Int
  /// Blocks stored, as the writer counted them.
  let usedBlocks: UInt64
  let totalBlocks: UInt64
  /// In bytes, at least a bit per block; what is more means nothing.
  let bitmapSize: UInt64
  let badBlocks: UInt64
  let label: String

  /// Parses the header, which lies at `place`, of a partition of `partitionSize` bytes; throws `ImageError`.
  init(parsing bytes: RawSpan, at place: UInt64, partitionSize: UInt64, errors: BackupErrors) throws(ImageError) {
    let size: UInt64 = bytes.littleEndian(at: 0)
    usedBlocks = bytes.littleEndian(at: 8)
    totalBlocks = bytes.littleEndian(at: 16)
    bitmapSize = bytes.littleEndian(at: 24)
    badBlocks = bytes.littleEndian(at: 32)
    label = bytes.slice(40, 64).text
    guard (512...(64 << 20)).contains(size) else {
      throw errors.damaged("a block size of \(size) bytes is not between 512 bytes and 64 MiB", image: place)
    }
    blockSize = Int(size)
    guard totalBlocks > 0, totalBlocks <= 1 << 43, let bytes = totalBlocks.multiplied(by: size), bytes <= partitionSize
    else {
      throw errors.damaged(
        "\(totalBlocks) blocks of \(size) bytes do not fit the partition's \(partitionSize) bytes", image: place + 16)
    }
    guard usedBlocks <= totalBlocks else {
      throw errors.damaged("\(usedBlocks) blocks are said to be used of \(totalBlocks)", image: place + 8)
    }
    guard bitmapSize >= (totalBlocks + 7) / 8, bitmapSize <= 1 << 44 else {
      throw errors.damaged("a bitmap of \(bitmapSize) bytes does not fit \(totalBlocks) blocks", image: place + 24)
    }
  }

  /// Every field, for `info`.
  var facts: Record {
    var facts = Record()
    facts.add("block-size", .size(UInt64(blockSize)))
    facts.add("total-blocks", .count(totalBlocks))
    facts.add("used-blocks", .count(usedBlocks))
    facts.add("used-size", .size(usedBlocks * UInt64(blockSize)))
    facts.add("bitmap-size", .size(bitmapSize))
    facts.add("bad-blocks", .count(badBlocks))
    facts.add("label", .text(label.printable))
    return facts
  }
}
