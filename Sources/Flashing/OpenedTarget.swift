import BlockIO
import CLinux
import Flow
import Bytes
import Glibc
import Images
import SystemPackage

/// A target opened for writing and locked; the locks go with it.
struct OpenedTarget {
  let target: any BlockTarget
  /// The target if it is a block device.
  let device: DeviceTarget?
  /// The target if it is a regular file.
  let file: FileTarget?
  /// Whether it is a part of a larger target, whose size is somebody else's business.
  private(set) var isWindow = false

  /// Opens what `plan` describes for a disk of `byteCount` bytes (nil: not known yet).
  ///
  /// Everything that can refuse a device or a file does so before anything in it changes.
  init(
    _ plan: TargetPlan, byteCount: UInt64?, offset: UInt64 = 0, images: [ImageFile], locks: inout DiskLocks
  ) throws {
    switch plan.kind {
    case .pipe:
      guard isatty(STDOUT_FILENO) == 0 else {
        throw TargetRefusal("standard output is a terminal: send it to a file or another program")
      }
      target = PipeTarget(OpenFile(adopting: dup(STDOUT_FILENO), path: "standard output"))
      (device, file) = (nil, nil)
    case .device(let device):
      // udev and others take a lock on the whole disk's node before they touch it.
      try locks.lock(device.disk, for: plan)
      let opened = try Self.open(device, plan)
      if let byteCount, byteCount > opened.byteCount - min(offset, opened.byteCount) {
        throw TargetRefusal(
          "\(plan.name) is too small: the disk in the image has \(byteCount) bytes, the target \(opened.byteCount)")
      }
      self.device = opened
      target = opened
      file = nil
    case .file:
      let file = try Self.open(file: plan, byteCount: byteCount, offset: offset, images: images)
      self.file = file
      target = file
      device = nil
    }
  }

  /// Opens what `plan` describes to change it where it is.
  init(patching plan: TargetPlan, locks: inout DiskLocks) throws {
    switch plan.kind {
    case .pipe, .file(nil): throw TargetRefusal("\(plan.name) does not exist")
    case .device(let device):
      try locks.lock(device.disk, for: plan)
      let opened = try Self.open(device, plan)
      self.device = opened
      target = opened
      file = nil
    case .file(.some(let status)):
      let opened = try Self.openLocked(plan, images: [], options: .nonBlocking)
      // As qemu says that it writes and wants nobody else to read or write.
      for byte in [100, 101, 200, 201] as [Int64] { _ = clinux_share_range(opened.descriptor, byte, 1) }
      let file = try FileTarget(into: opened, byteCount: status.size)
      self.file = file
      target = file
      device = nil
    }
  }

  /// No target: for reading an image to its end.
  init() {
    target = NullTarget()
    (device, file) = (nil, nil)
  }

  /// A part of an opened target, written through `window`.
  init(_ window: any BlockTarget, of whole: OpenedTarget) {
    target = window
    (device, file) = (whole.device, whole.file)
    isWindow = true
  }

  /// Sets a regular file's size to that of the disk that was written.
  func finish(byteCount: UInt64) throws { if !isWindow { try file?.finish(byteCount: byteCount) } }

  /// Drops what a regular file held; nothing is changed before this.
  func empty() throws { try file?.empty() }

  private static func open(_ device: BlockDevice, _ plan: TargetPlan) throws -> DeviceTarget {
    let opened: DeviceTarget
    do { opened = try DeviceTarget(plan.path) } catch {
      guard error.errno == .resourceBusy else { throw error }
      let use = Holders().use(of: device)?.text ?? "another program has it open for itself alone"
      throw TargetRefusal("\(plan.name) is not written: \(use)")
    }
    if opened.isReadOnly { throw TargetRefusal("\(plan.name) is read-only") }
    return opened
  }

  private static func open(
    file plan: TargetPlan, byteCount: UInt64?, offset: UInt64, images: [ImageFile]
  ) throws -> FileTarget {
    let file = try openLocked(plan, images: images, options: [.create, .nonBlocking])
    if offset > 0 {
      guard let byteCount, let end = offset.adding(byteCount) else {
        throw TargetRefusal("\(plan.name): the image does not say its size, so that it cannot go inside a file")
      }
      return try FileTarget(into: file, byteCount: end)
    }
    return FileTarget(file, byteCount: byteCount, direct: true)
  }

  /// Opens a regular file to write and locks it.
  private static func openLocked(
    _ plan: TargetPlan, images: [ImageFile], options: FileDescriptor.OpenOptions
  ) throws -> OpenFile {
    let file = try OpenFile(
      plan.path, .readWrite, options: options, permissions: [.ownerReadWrite, .groupRead, .otherRead])
    guard clinux_lock_exclusively(file.descriptor) == 0 else {
      throw TargetRefusal("\(plan.name) is not written: another program holds a lock on it")
    }
    // Bytes 100 to 299 are where qemu keeps its locks.
    if clinux_is_range_locked(file.descriptor, 100, 200) == 1 {
      throw TargetRefusal("\(plan.name) is not written: a virtual machine or qemu tool has it open")
    }
    let status = try file.status()
    guard status.kind == .regular else { throw TargetRefusal("\(plan.name) is no regular file any more") }
    guard !images.contains(where: { $0.identity == status.identity }) else {
      throw TargetRefusal("\(plan.name) is not written: the image is read from it")
    }
    if case .file(let seen?) = plan.kind, seen.identity != status.identity {
      throw TargetRefusal("\(plan.name) was replaced by another file in the meantime; try again")
    }
    return file
  }
}

/// Locks on the nodes of whole disks, kept until they go away (flock(2)).
struct DiskLocks {
  private var held: [BlockDevice: LockedFile] = [:]

  /// Locks the node of `disk` unless that is done already.
  mutating func lock(_ disk: BlockDevice, for plan: TargetPlan) throws {
    if held[disk] == nil { held[disk] = try LockedFile(disk: disk, for: plan) }
  }
}

/// A lock on a disk's node, kept until it goes away (flock(2)).
private final class LockedFile {
  private let file: OpenFile

  /// Locks the node of `disk`, waiting up to 5 seconds for udev to let go of it.
  init(disk: BlockDevice, for plan: TargetPlan) throws {
    let node = disk.isSame(as: plan.path) ? plan.path : disk.node
    let file: OpenFile
    do { file = try OpenFile(node, .readOnly, options: .nonBlocking) } catch {
      throw TargetRefusal("\(plan.name) is not written: its disk cannot be locked: \(error)")
    }
    var tries = 0
    while clinux_lock_exclusively(file.descriptor) != 0 {
      guard errno == EWOULDBLOCK || errno == EINTR else {
        let error = IOError("flock", node, Errno(rawValue: errno))
        throw TargetRefusal("\(plan.name) is not written: its disk cannot be locked: \(error)")
      }
      tries += 1
      guard tries < 50 else {
        throw TargetRefusal("\(plan.name) is not written: another program holds a lock on \(node)")
      }
      usleep(100_000)
    }
    self.file = file
  }
}

extension BlockDevice {
  /// Whether `path` is a node of this device.
  fileprivate func isSame(as path: FilePath) -> Bool {
    guard let status = try? FileStatus.of(path), status.kind == .blockDevice else { return false }
    return status.deviceNumbers == (major, minor)
  }
}
