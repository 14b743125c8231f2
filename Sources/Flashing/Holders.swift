import BlockIO
import Images
import SystemPackage

/// Finds out who uses a device or file, and how: what open(2) with O_EXCL sees, named, and what it does not see.
struct Holders {
  private let mounts = Mount.all
  private let swaps: [(path: FilePath, status: FileStatus)] = swapPaths().compactMap { path in
    (try? FileStatus.of(path)).map { (path, $0) }
  }
  private let loops: [(device: BlockDevice, backing: FileStatus)] = BlockDevice.disks.compactMap { device in
    guard let file = device.loopBackingFile, let status = try? FileStatus.of(file) else { return nil }
    return (device, status)
  }

  /// Mount points that a running system cannot lose.
  private static let system = ["/", "/boot", "/boot/efi", "/usr", "/var", "/home", "/etc", "/opt", "/srv"]

  /// One way in which a device is used, as a clause, and whether the running system is on it.
  struct Use {
    let text: String
    var isSystem = false
  }

  /// The first use of a device, its partitions or, for a partition, of the whole disk; nil if there is none.
  func use(of device: BlockDevice) -> Use? {
    for one in family(of: device) {
      let name = one == device ? "it" : "its \(one == device.disk ? "disk" : "partition") \(one.node)"
      if let use = directUse(of: one) { return Use(text: "\(name) \(use.text)", isSystem: use.isSystem) }
    }
    return nil
  }

  /// A device and all devices that share bytes with it.
  private func family(of device: BlockDevice) -> [BlockDevice] {
    [device] + (device.isPartition ? [device.disk] : device.partitions)
  }

  private func directUse(of device: BlockDevice) -> Use? {
    let found = mounts.filter { $0.isOn(major: device.major, minor: device.minor) }.map(\.mountPoint)
    if let point = found.first(where: { Self.system.contains($0) }) {
      return Use(text: "is part of the running system (mounted at \(point))", isSystem: true)
    }
    if let point = found.first { return Use(text: "is mounted at \(point)") }
    if swaps.contains(where: {
      $0.status.kind == .blockDevice && $0.status.deviceNumbers == (device.major, device.minor)
    }) {
      return Use(text: "is in use as swap")
    }
    if let holder = device.holders.first { return Use(text: "is part of \(holder)") }
    let loop = loops.first { loop in
      loop.backing.kind == .blockDevice && loop.backing.deviceNumbers == (device.major, device.minor)
    }
    return loop.map { loop in
      let inner = use(of: loop.device).map { " (\($0.text))" } ?? ""
      return Use(text: "is shown by the loop device \(loop.device.node)\(inner)")
    }
  }

  /// The first use of a regular file as swap or behind a loop device; nil if there is none.
  func use(of file: FileStatus.Identity) -> String? {
    if swaps.contains(where: { $0.status.identity == file }) { return "it is in use as swap" }
    guard let loop = loops.first(where: { $0.backing.kind == .regular && $0.backing.identity == file }) else {
      return nil
    }
    return "it is the backing file of the active loop device \(loop.device.node)"
  }

  /// How a device would take the image's own file away when written; nil if it would not.
  func conflict(of device: BlockDevice, with image: ImageFile) -> String? {
    let numbers = family(of: device).map { ($0.major, $0.minor) }
    for one in related(to: image) {
      if numbers.contains(where: { $0 == one.numbers }) { return one.how }
    }
    // A loop device that shows the image file, or a file on a filesystem inside a loop's file.
    if let backing = device.disk.loopBackingFile, let status = try? FileStatus.of(backing) {
      if status.identity == image.identity { return "it is a loop device that shows the image \(image.path)" }
    }
    return nil
  }

  /// The devices that hold an image file's bytes.
  private func related(to image: ImageFile) -> [(numbers: (UInt32, UInt32), how: String)] {
    var found: [(numbers: (UInt32, UInt32), how: String)] = []
    if image.device != 0 {
      var devices = [FileStatus.numbers(of: image.device)]
      if let device = BlockDevice(major: devices[0].0, minor: devices[0].1), device.isPartition {
        devices.append((device.disk.major, device.disk.minor))
      }
      found += devices.map { ($0, "the image is read from \(image.path)") }
    } else {
      let holder = FileStatus.numbers(of: image.identity.device)
      found.append((holder, "it holds the image \(image.path)"))
      for mount in mounts where (mount.major, mount.minor) == holder {
        guard let status = try? FileStatus.of(FilePath(mount.source)), status.kind == .blockDevice else { continue }
        found.append((status.deviceNumbers, "it holds the image \(image.path)"))
      }
    }
    return found
  }
}
