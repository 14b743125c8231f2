import CLinux
package import SystemPackage

/// What the kernel's sysfs says about a block device.
package struct BlockDevice: Sendable, Hashable {
  /// The kernel's name, such as `sda1`.
  package let name: String
  /// The device number, as in `FileStatus.device`.
  package let major: UInt32
  package let minor: UInt32
  /// Its folder below /sys/devices.
  package let folder: FilePath

  /// The device with these numbers; nil if the kernel has none.
  package init?(major: UInt32, minor: UInt32) {
    guard let folder = FilePath("/sys/dev/block/\(major):\(minor)").resolved, let name = folder.lastComponent else {
      return nil
    }
    self.name = name.string
    self.major = major
    self.minor = minor
    self.folder = folder
  }

  /// The device that a device node stands for.
  package init?(_ status: FileStatus) {
    guard status.kind == .blockDevice else { return nil }
    let (major, minor) = status.deviceNumbers
    self.init(major: major, minor: minor)
  }

  /// The device in a folder below /sys.
  private init?(folder: FilePath) {
    let numbers = systemText(folder.appending("dev"))?.split(separator: ":").compactMap { UInt32($0) } ?? []
    guard numbers.count == 2 else { return nil }
    self.init(major: numbers[0], minor: numbers[1])
  }

  /// Every block device there is, partitions not counted.
  package static var disks: [BlockDevice] {
    directoryEntries("/sys/block").compactMap { BlockDevice(folder: FilePath("/sys/block").appending($0)) }
  }

  /// The node that udev and the kernel's devtmpfs give it.
  package var node: FilePath { FilePath("/dev").appending(String(name.map { $0 == "!" ? "/" : $0 })) }

  package var isPartition: Bool { attribute("partition") != nil }

  /// The disk that a partition is part of; the device itself if it is none.
  package var disk: BlockDevice {
    guard isPartition else { return self }
    return BlockDevice(folder: folder.removingLastComponent()) ?? self
  }

  /// A disk's partitions.
  package var partitions: [BlockDevice] {
    directoryEntries(folder).filter { $0.hasPrefix(name) }.compactMap { BlockDevice(folder: folder.appending($0)) }
      .filter(\.isPartition)
  }

  /// Names of the devices built on this one (device-mapper, MD).
  package var holders: [String] {
    directoryEntries(folder.appending("holders")).map { holder in
      let mapped = systemText(FilePath("/sys/block").appending(holder).appending("dm/name"))
      return mapped.map { "\(holder) (\($0))" } ?? holder
    }
  }

  /// Size in bytes.
  package var byteCount: UInt64 { (attribute("size").flatMap { UInt64($0) } ?? 0) * 512 }

  /// Size in bytes of the sectors that the device reads and writes whole; nil where the kernel does not say.
  package var sectorSize: Int? { disk.attribute("queue/logical_block_size").flatMap { Int($0) } }

  /// Where its bytes lie on its disk: all there may be for a disk itself.
  package var rangeOnDisk: Range<UInt64> {
    guard isPartition, let start = attribute("start").flatMap({ UInt64($0) }) else { return 0..<UInt64.max }
    return (start * 512)..<(start * 512 + byteCount)
  }

  package var model: String? { trimmed(disk.attribute("device/model")) }
  package var serial: String? { trimmed(disk.attribute("device/serial") ?? disk.attribute("serial")) }
  /// Whether the kernel calls the disk removable.
  package var isRemovable: Bool { disk.attribute("removable") == "1" }
  /// Whether the device zeroes ranges by itself.
  package var zeroesByItself: Bool { disk.attribute("queue/write_zeroes_max_bytes").map { $0 != "0" } ?? false }
  /// Whether the device has a write cache of its own that flushing empties.
  package var hasWriteCache: Bool { disk.attribute("queue/write_cache") == "write back" }

  /// What the kernel says of the disk's request queue.
  package var queue: DeviceQueue {
    func number(_ name: String) -> Int? { disk.attribute("queue/" + name).flatMap { Int($0) } }
    return DeviceQueue(
      longestRequest: number("max_sectors_kb").map { $0.multipliedReportingOverflow(by: 1024).partialValue },
      bestRequest: number("optimal_io_size"), depth: number("nr_requests"))
  }

  /// For a loop device, the file or device it shows, as the kernel names it.
  package var loopBackingFile: FilePath? { attribute("loop/backing_file").map { FilePath($0) } }

  /// For a loop device, the range of the file or device that it shows.
  package var loopRange: Range<UInt64>? {
    guard let start = attribute("loop/offset").flatMap({ UInt64($0) }) else { return nil }
    return start..<(start + byteCount)
  }

  private func attribute(_ name: String) -> String? { systemText(folder.appending(FilePath(name).components)) }

  private func trimmed(_ text: String?) -> String? {
    guard let words = text?.split(whereSeparator: \.isWhitespace), !words.isEmpty else { return nil }
    return words.joined(separator: " ")
  }
}
