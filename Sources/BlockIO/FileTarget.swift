import CLinux
import Glibc
import Synchronization
package import SystemPackage

/// A regular file as a disk, sparse where nothing was written.
package final class FileTarget: BlockTarget {
  private let file: OpenFile
  /// The same file past the page cache; nil where its filesystem refuses that.
  private let directFile: OpenFile?
  package let byteCount: UInt64
  private let finalByteCount: UInt64?
  package var sectorSize: Int { 1 }
  package let isKnownZero: Bool
  /// Bytes that have gone into the page cache.
  private let cached = Atomic<UInt64>(0)

  private let shortestDirect: Int
  /// How many bytes gather in the page cache before they are written back.
  private static let writeBackInterval: UInt64 = 16 << 20

  package var path: FilePath { file.path }

  /// Takes `file`, which is open to read and write, for a disk of `byteCount` bytes (nil: not known yet), and changes
  /// nothing in it before `empty`.
  ///
  /// Writes of fewer than `shortestDirect` bytes go through the page cache: past it, each one into a hole costs two
  /// changes of the filesystem's journal, while the cache gathers them and has them placed together.
  package init(_ file: consuming OpenFile, byteCount: UInt64?, direct: Bool, shortestDirect: Int = 256 << 10) {
    self.shortestDirect = shortestDirect
    finalByteCount = byteCount
    self.byteCount = byteCount ?? UInt64(Int64.max)
    if direct {
      // By number, so that it is the same file whatever has become of its name.
      directFile = try? OpenFile(
        FilePath("/proc/self/fd/\(file.descriptor)"), .readWrite, options: .direct, named: file.path)
    } else {
      directFile = nil
    }
    isKnownZero = true
    self.file = file
  }

  /// Writes into `file`, which is open to read and write, and leaves the rest of it alone; it grows to `byteCount`
  /// bytes if it is shorter.
  package init(into file: consuming OpenFile, byteCount: UInt64) throws(IOError) {
    let size = try file.byteCount()
    if size < byteCount { try file.resize(to: byteCount) }
    self.byteCount = max(size, byteCount)
    finalByteCount = nil
    directFile = nil
    shortestDirect = .max
    isKnownZero = false
    self.file = file
  }

  /// Takes `file` and empties it.
  package convenience init(emptying file: consuming OpenFile, byteCount: UInt64?, direct: Bool) throws(IOError) {
    self.init(file, byteCount: byteCount, direct: direct)
    try empty()
  }

  /// Drops the file's contents and makes it a hole of the disk's size, which is left open where it is not known; does
  /// nothing to a file of which the rest is left alone.
  package func empty() throws(IOError) {
    guard isKnownZero else { return }
    try file.resize(to: 0)
    if let finalByteCount { try file.resize(to: finalByteCount) }
  }

  /// Makes the file, which is empty, the same as `source` by sharing its blocks (a reflink, FICLONE); false, and empty
  /// still, where the filesystem does not do that.
  package func share(_ source: FileSource) throws(IOError) -> Bool {
    guard isKnownZero, source.status.kind == .regular else { return false }
    guard clinux_clone_file(source.descriptor, file.descriptor) == 0 else {
      try empty()
      return false
    }
    // Whatever has been written behind the source's end meanwhile.
    try file.resize(to: source.byteCount)
    return true
  }

  /// Whether O_DIRECT takes a range: its borders lie on pages.
  private static func isAligned(_ offset: UInt64, _ count: Int) -> Bool { (offset | UInt64(count)) % 4096 == 0 }

  package func write(_ bytes: RawSpan, at offset: UInt64) throws {
    if directFile != nil, bytes.byteCount >= shortestDirect, Self.isAligned(offset, bytes.byteCount),
      try writeDirectly(bytes, at: offset)
    {
      return
    }
    try file.write(bytes, at: offset)
    let (before, after) = cached.wrappingAdd(UInt64(bytes.byteCount), ordering: .relaxed)
    if before / Self.writeBackInterval != after / Self.writeBackInterval {
      // Of the whole file; it only has to begin.
      _ = clinux_start_write_back(file.descriptor, 0, 0)
    }
  }

  /// Writes past the cache; false where that is refused.
  private func writeDirectly(_ bytes: RawSpan, at offset: UInt64) throws -> Bool {
    do {
      try directFile?.write(bytes, at: offset)
      return true
    } catch {
      guard error.errno == .invalidArgument else { throw error }
      return false
    }
  }

  package func writeZeroes(at offset: UInt64, count: UInt64) throws {
    while clinux_punch_hole(file.descriptor, offset, count) != 0 {
      guard Glibc.errno == EINTR else {
        throw IOError("fallocate (punching a hole)", path, Errno(rawValue: Glibc.errno), offset: offset)
      }
    }
  }

  package func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    if Self.isAligned(offset, buffer.byteCount), try readDirectly(at: offset, into: &buffer) { return }
    _ = clinux_drop_cache(file.descriptor, Int64(clamping: offset), Int64(buffer.byteCount))
    try file.read(at: offset, into: &buffer)
  }

  /// Reads past the cache; false where that is refused.
  private func readDirectly(at offset: UInt64, into buffer: inout MutableRawSpan) throws -> Bool {
    guard directFile != nil else { return false }
    do {
      try directFile?.read(at: offset, into: &buffer)
      return true
    } catch {
      guard error.errno == .invalidArgument else { throw error }
      return false
    }
  }

  package func nextStored(at offset: UInt64, limit: UInt64) -> UInt64 {
    let data = clinux_seek_data(file.descriptor, Int64(clamping: offset))
    if data < 0 { return Glibc.errno == ENXIO ? limit : offset }
    return min(max(UInt64(data), offset), limit)
  }

  package func flush() throws { try file.flush() }

  /// Sets the size of a file whose disk's size was not known before its end.
  package func finish(byteCount: UInt64) throws { try file.resize(to: byteCount) }
}
