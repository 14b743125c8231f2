package import BlockIO
import Bytes

/// One partition of a disk: a numbered, typed range.
package struct Partition: Hashable, Sendable {
  /// The number in the device's name (`/dev/sda3`), as sfdisk(8) and partx(8) count.
  package let number: Int
  /// First byte on the disk.
  package let start: UInt64
  /// Size in bytes, never 0; `start + byteCount` fits 64 bits but may lie past the end of the disk.
  package let byteCount: UInt64
  package let type: PartitionType
  /// GPT's name of the partition; nil for MBR, which has none.
  package let label: String?
  /// GPT's unique GUID, or the MBR's disk signature and the number, as in `/dev/disk/by-partuuid`.
  package let uuid: String?
  /// GPT's 64 attribute bits; 0 for MBR.
  package let attributes: UInt64
  /// MBR's active flag, which boot code looks for.
  package let isActive: Bool
  /// Whether the partition lies inside an MBR's extended partition.
  package let isLogical: Bool

  /// The byte after the last one.
  package var end: UInt64 { start + byteCount }

  /// The attributes in the words of sfdisk(8), such as `RequiredPartition GUID:60,63`; empty where none is set.
  package var attributeNames: String {
    var words: [String] = []
    for (bit, name) in ["RequiredPartition", "NoBlockIOProtocol", "LegacyBIOSBootable"].enumerated()
    where attributes >> UInt64(bit) & 1 == 1 {
      words.append(name)
    }
    let typed = (48..<64).filter { attributes >> UInt64($0) & 1 == 1 }
    if !typed.isEmpty { words.append("GUID:" + typed.map(String.init).joined(separator: ",")) }
    return words.joined(separator: " ")
  }

  /// The partition as a disk of its own; an error (`damaged`) where it reaches past the end of `disk`.
  package func window(on disk: any BlockSource) throws(ImageError) -> Window<any BlockSource> {
    try requireInside(disk.byteCount)
    return Window(of: disk, start: start, byteCount: byteCount)
  }

  /// The partition of a target as a target of its own; an error (`damaged`) where it reaches past the end of `disk`.
  package func window(on disk: any BlockTarget) throws(ImageError) -> Window<any BlockTarget> {
    try requireInside(disk.byteCount)
    return Window(of: disk, start: start, byteCount: byteCount)
  }

  private func requireInside(_ diskByteCount: UInt64) throws(ImageError) {
    guard end <= diskByteCount else {
      throw ImageError(
        .damaged, format: "partition table",
        "partition \(number) ends at byte \(end), past the end of the disk at \(diskByteCount); "
          + "the image is cut short or the table is wrong")
    }
  }
}
