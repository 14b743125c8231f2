import BlockIO
import Bytes
import Flow
import Glibc
import Support
import Synchronization
import SystemPackage
import Testing

/// Copies whose bytes are written from the page cache's own pages.
@Suite struct MappedTests {
  /// A file of `count` bytes, no two pages of which are alike, without a name.
  private func makeFile(_ count: Int) throws -> FileSource {
    let path = "/tmp/qflash-mapped-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try #require(descriptor >= 0)
    unlink(path)
    let bytes = Self.bytes(count)
    try #require(pwrite(descriptor, bytes, count, 0) == count)
    return try FileSource(OpenFile(adopting: descriptor, path: FilePath(path)))
  }

  static func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 / 4096 &* 31 &+ $0 % 251 &+ 1) }
  }

  /// Sizes and starts on and off the borders of pages and of chunks give the file's bytes, mapped or not.
  @Test(arguments: [1 << 20, (1 << 20) + 512, 700_000, 4096, 511, 3 << 20], [0, 512, 4096, 65536, 69632])
  func bytesAreTheFiles(_ count: Int, start: Int) throws {
    let file = try makeFile(count + start)
    let source = Window<any BlockSource>(of: file, start: UInt64(start), byteCount: UInt64(count))
    for maps in [true, false] {
      var options = CopyOptions(workers: 3, chunkSize: 256 << 10)
      options.mapsFiles = maps
      let target = MemoryDisk([UInt8](repeating: 0xaa, count: (count + 511) / 512 * 512))
      let digests = try Digests(byteCount: target.byteCount)
      try copy(source, to: target, options: options, digests: digests, progress: Progress())
      let wanted =
        Array(Self.bytes(count + start)[start...]) + [UInt8](repeating: 0xaa, count: target.contents.count - count)
      #expect(target.contents == wanted)
      let bad = try verify(target, against: digests, map: source, options: options, progress: Progress())
      #expect(bad.isEmpty)
    }
  }

  @Test func pagesAreTheFiles() throws {
    let file = try makeFile(200_000)
    let pages = try #require(MappedPages(count: 64 << 10))
    #expect(pages.lay(StoredRange(file, offset: 8192, length: 40_000), at: 0))
    #expect(pages.areCached(40_000, from: 0))
    #expect(pages.withBytes(40_000) { $0.array } == Array(Self.bytes(200_000)[8192..<48_192]))
    #expect(!pages.lay(StoredRange(file, offset: 512, length: 4096), at: 0), "not on a page's border")
    #expect(!pages.lay(StoredRange(file, offset: 0, length: 4096), at: 512), "not on a page's border")
    #expect(!pages.lay(StoredRange(file, offset: 0, length: 64 << 10), at: 4096), "longer than there is room")
    #expect(pages.lostCount == 0)
  }

  /// A file that becomes shorter after its pages have been laid would end the process with SIGBUS.
  @Test func lostPagesAreCounted() throws {
    let file = try makeFile(64 << 10)
    let pages = try #require(MappedPages(count: 64 << 10))
    #expect(pages.lay(StoredRange(file, offset: 0, length: 64 << 10), at: 0))
    try #require(ftruncate(file.descriptor, 8192) == 0)
    let found = pages.withBytes(64 << 10) { $0.array }
    #expect(found == Array(Self.bytes(8192)) + [UInt8](repeating: 0, count: 56 << 10))
    #expect(pages.lostCount == 14)
  }

  /// An image that is cut short while it is copied ends the copy with the error of reading it.
  @Test(arguments: [true, false]) func anImageCutShortEndsTheCopy(_ maps: Bool) throws {
    let file = try makeFile(1 << 20)
    var options = CopyOptions(workers: 1, chunkSize: 256 << 10)
    options.mapsFiles = maps
    let target = CuttingTarget(MemoryDisk([UInt8](repeating: 0, count: 1 << 20))) {
      _ = ftruncate(file.descriptor, 4096)
    }
    let error = #expect(throws: IOError.self) { try copy(file, to: target, options: options, progress: Progress()) }
    #expect(error?.description.contains("unexpected end of file") == true, "\(String(describing: error))")
  }

  /// Where the kernel cannot have a page (EFAULT), the step is read and written again.
  @Test func aPageThatTheKernelLacksIsReadAgain() throws {
    let file = try makeFile(1 << 20)
    let disk = MemoryDisk([UInt8](repeating: 0, count: 1 << 20))
    let target = CuttingTarget(disk, error: IOError("pwrite", "target", .badAddress)) {}
    let digests = try Digests(byteCount: 1 << 20)
    let options = CopyOptions(workers: 2, chunkSize: 256 << 10)
    try copy(file, to: target, options: options, digests: digests, progress: Progress())
    #expect(disk.contents == Self.bytes(1 << 20))
    #expect(try verify(disk, against: digests, map: file, options: options, progress: Progress()).isEmpty)
  }
}

/// A target at whose first write something happens, and which fails then with `error` if that is given.
private final class CuttingTarget: BlockTarget {
  private let disk: MemoryDisk
  private let error: IOError?
  private let event: @Sendable () -> Void
  private let isFirst = Atomic(true)

  init(_ disk: MemoryDisk, error: IOError? = nil, event: @escaping @Sendable () -> Void) {
    self.disk = disk
    self.error = error
    self.event = event
  }

  var byteCount: UInt64 { disk.byteCount }
  var sectorSize: Int { disk.sectorSize }
  func write(_ bytes: RawSpan, at offset: UInt64) throws {
    if isFirst.exchange(false, ordering: .relaxed) {
      event()
      if let error { throw error }
    }
    disk.write(bytes, at: offset)
  }
  func writeZeroes(at offset: UInt64, count: UInt64) { disk.writeZeroes(at: offset, count: count) }
  func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) { disk.readBack(at: offset, into: &buffer) }
  func flush() {}
}
