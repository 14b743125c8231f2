import CLinux
import Glibc
import Synchronization
package import SystemPackage

/// A block device opened for nobody else, written past the page cache.
package final class DeviceTarget: BlockTarget {
  /// Ways of zeroing a range, each tried once the one before it is refused.
  private enum ZeroMethod: Int {
    case punchHole, zeroOut, write
  }

  private let file: OpenFile
  package let byteCount: UInt64
  package let sectorSize: Int
  package let status: FileStatus
  private let isDirect: Atomic<Bool>
  private let zeroMethod = Atomic<Int>(ZeroMethod.punchHole.rawValue)

  package var path: FilePath { file.path }

  /// Opens `path` with O_EXCL, which fails with EBUSY while the device is mounted, swapped on or part of another device.
  package init(_ path: FilePath, direct: Bool = true) throws(IOError) {
    var file = try Self.open(path, direct: direct)
    var isDirect = direct
    if file == nil {
      isDirect = false
      file = try Self.open(path, direct: false)
    }
    guard let file = file.take() else { throw IOError("open", path, .invalidArgument) }
    let status = try file.status()
    guard status.kind == .blockDevice else { throw IOError("open", path, .notBlockDevice) }
    var sector: CInt = 0
    guard unsafe clinux_logical_sector_size(file.descriptor, &sector) == 0, sector >= 512, sector.nonzeroBitCount == 1
    else { throw IOError("BLKSSZGET", path, Errno(rawValue: Glibc.errno)) }
    byteCount = try file.byteCount()
    sectorSize = Int(sector)
    self.status = status
    self.isDirect = Atomic(isDirect)
    self.file = file
  }

  /// The open device, or nil where it refuses O_DIRECT.
  private static func open(_ path: FilePath, direct: Bool) throws(IOError) -> OpenFile? {
    var options: FileDescriptor.OpenOptions = [.exclusiveCreate, .nonBlocking]
    if direct { options.insert(.direct) }
    do { return try OpenFile(path, .readWrite, options: options) } catch {
      if direct, error.errno == .invalidArgument { return nil }
      throw error
    }
  }

  /// Whether the device can be opened but not written (BLKROGET).
  package var isReadOnly: Bool {
    var flag: CInt = 0
    return unsafe clinux_block_device_is_read_only(file.descriptor, &flag) == 0 && flag != 0
  }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    do { try file.write(bytes, at: offset) } catch {
      guard error.errno == .invalidArgument, isDirect.load(ordering: .relaxed) else { throw error }
      stopDirect()
      try file.write(bytes, at: offset)
    }
    dropBehind(offset, UInt64(bytes.byteCount))
  }

  // Through the device's page cache there is a copy in any case.
  package func takesPages(_ range: Range<UInt64>) -> Bool { isDirect.load(ordering: .relaxed) }

  package func write(_ pages: PagePipe, at offset: UInt64) -> Bool { pages.empty(into: file, at: offset) }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    do { try file.read(at: offset, into: &buffer) } catch {
      guard error.errno == .invalidArgument, isDirect.load(ordering: .relaxed) else { throw error }
      stopDirect()
      try file.read(at: offset, into: &buffer)
    }
  }

  private func stopDirect() {
    isDirect.store(false, ordering: .relaxed)
    _ = clinux_set_direct(file.descriptor, 0)
  }

  /// Keeps buffered writes from filling the page cache.
  private func dropBehind(_ offset: UInt64, _ count: UInt64) {
    guard !isDirect.load(ordering: .relaxed) else { return }
    _ = clinux_start_write_back(file.descriptor, Int64(clamping: offset), Int64(clamping: count))
    _ = clinux_drop_cache(file.descriptor, Int64(clamping: offset), Int64(clamping: count))
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    while let method = ZeroMethod(rawValue: zeroMethod.load(ordering: .relaxed)) {
      let result: CInt
      switch method {
      case .punchHole: result = clinux_punch_hole(file.descriptor, offset, count)
      case .zeroOut: result = clinux_block_zero_out(file.descriptor, offset, count)
      case .write: return try forEachZeroPiece(at: offset, count: count) { try write($0, at: $1) }
      }
      if result == 0 { return }
      let code = Glibc.errno
      guard code != EINTR else { continue }
      guard [EOPNOTSUPP, ENOTTY, EINVAL, ENOSYS, ENODEV].contains(code) else {
        throw IOError("zeroing", path, Errno(rawValue: code), offset: offset)
      }
      zeroMethod.store(method.rawValue + 1, ordering: .relaxed)
    }
  }

  package func discard(at offset: UInt64, count: UInt64) throws {
    // Advice only: a device that refuses it is as good as one that ignores it.
    _ = clinux_block_discard(file.descriptor, offset, count)
  }

  package func flush() throws {
    try file.flush()
    if !isDirect.load(ordering: .relaxed) { _ = clinux_flush_block_buffers(file.descriptor) }
  }

  /// Asks the kernel to read the partition table again (BLKRRPART).
  package func rereadPartitionTable() throws(IOError) {
    guard clinux_reread_partition_table(file.descriptor) == 0 else {
      throw IOError("BLKRRPART", path, Errno(rawValue: Glibc.errno))
    }
  }
}

extension Errno {
  /// The corresponding C error is `ENOTBLK`.
  static var notBlockDevice: Errno { Errno(rawValue: Glibc.ENOTBLK) }
}
