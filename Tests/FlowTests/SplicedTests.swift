import BlockIO
import Bytes
import Flow
import Glibc
import Support
import Synchronization
import SystemPackage
import Testing

/// Copies whose pages go from a file to the target without anybody looking at them.
@Suite struct SplicedTests {
  /// A file without a name that holds `bytes`.
  private func makeFile(_ bytes: [UInt8]) throws -> OpenFile {
    let path = "/tmp/qflash-spliced-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    try #require(descriptor >= 0)
    unlink(path)
    try #require(pwrite(descriptor, bytes, bytes.count, 0) == bytes.count)
    return OpenFile(adopting: descriptor, path: FilePath(path))
  }

  /// Bytes of which no two pages are alike.
  private func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 / 4096 &* 31 &+ $0 % 251 &+ 1) }
  }

  private func makeTarget(_ byteCount: Int) throws -> PageTarget {
    PageTarget(try makeFile([UInt8](repeating: 0xaa, count: byteCount)), byteCount: UInt64(byteCount))
  }

  /// Sizes and starts on and off the borders of pages give the file's bytes, most of them spliced.
  @Test(arguments: [1 << 20, (1 << 20) + 512, 700_416, 4096, 512, 9 << 20], [0, 512, 4096, 65536, 69632])
  func bytesAreTheFiles(_ count: Int, start: Int) throws {
    let bytes = self.bytes(count + start)
    let file = try FileSource(makeFile(bytes))
    let source = Window<any BlockSource>(of: file, start: UInt64(start), byteCount: UInt64(count))
    for chunk in [256 << 10, 4 << 20] {
      let target = try makeTarget(count)
      let progress = Progress()
      try copy(source, to: target, options: CopyOptions(workers: 3, chunkSize: chunk), progress: progress)
      #expect(try target.contents() == Array(bytes[start...]))
      #expect(target.splicedCount == UInt64(count), "nothing else was written")
      #expect(progress.written.load(ordering: .relaxed) == UInt64(count))
    }
  }

  /// Where somebody has to see the bytes, for sums, they are read.
  @Test func sumsAreTakenOfWhatIsRead() throws {
    let bytes = self.bytes(1 << 20)
    let source = try FileSource(makeFile(bytes))
    let target = try makeTarget(1 << 20)
    let digests = try Digests(byteCount: 1 << 20)
    try copy(source, to: target, options: CopyOptions(workers: 2), digests: digests, progress: Progress())
    #expect(target.splicedCount == 0)
    #expect(try verify(target, against: digests, map: source, options: CopyOptions(), progress: Progress()).isEmpty)
  }

  /// Steps that hold nothing but zeroes are left to the target, as they are without pages.
  @Test func zeroesAreNotWritten() throws {
    var bytes = self.bytes(1 << 20)
    for index in (256 << 10)..<(512 << 10) { bytes[index] = 0 }
    for index in (768 << 10)..<(772 << 10) { bytes[index] = 0 }
    let target = try makeTarget(1 << 20)
    let options = CopyOptions(workers: 1, chunkSize: 256 << 10)
    try copy(try FileSource(makeFile(bytes)), to: target, options: options, progress: Progress())
    #expect(try target.contents() == bytes)
    #expect(target.zeroedCount == 256 << 10)
    #expect(target.splicedCount == 512 << 10, "the last step, which starts with zeroes, was read")
  }

  /// A target that fails with pages is written as ever, and each step counts once.
  @Test func whatFailsIsWrittenAgain() throws {
    let bytes = self.bytes(2 << 20)
    let target = try makeTarget(2 << 20)
    target.failsAfter.store(1 << 20, ordering: .relaxed)
    let progress = Progress()
    let options = CopyOptions(workers: 1, chunkSize: 256 << 10)
    try copy(try FileSource(makeFile(bytes)), to: target, options: options, progress: progress)
    #expect(try target.contents() == bytes)
    #expect(progress.written.load(ordering: .relaxed) == 2 << 20)
  }

  /// An image that is cut short while it is copied ends the copy with the error of reading it.
  @Test func anImageCutShortEndsTheCopy() throws {
    let file = try FileSource(makeFile(bytes(1 << 20)))
    let target = try makeTarget(1 << 20)
    target.atFirst = { _ = ftruncate(file.descriptor, 300 << 10) }
    let options = CopyOptions(workers: 1, chunkSize: 256 << 10)
    let error = #expect(throws: IOError.self) { try copy(file, to: target, options: options, progress: Progress()) }
    #expect(error?.description.contains("unexpected end of file") == true, "\(String(describing: error))")
  }

  /// What is held back is not written, and the rest goes as pages.
  @Test func whatIsHeldBackIsNotSpliced() throws {
    let bytes = self.bytes(1 << 20)
    let target = try makeTarget(1 << 20)
    let holding = try HoldingTarget(target, holding: [(256 << 10)..<(260 << 10)], keepsOld: true)
    let options = CopyOptions(workers: 1, chunkSize: 128 << 10)
    try copy(try FileSource(makeFile(bytes)), to: holding, options: options, progress: Progress())
    let found = try target.contents()
    #expect(found[..<(256 << 10)] == bytes[..<(256 << 10)])
    #expect(found[(256 << 10)..<(260 << 10)] == [UInt8](repeating: 0xaa, count: 4096)[...])
    #expect(found[(260 << 10)...] == bytes[(260 << 10)...])
    #expect(holding.contents.map(\.bytes) == [Array(bytes[(256 << 10)..<(260 << 10)])])
    #expect(target.splicedCount == 896 << 10, "all but the one step that holds the range")
  }

  /// A full pipe takes nothing more until it has been emptied.
  @Test func aPipeTakesWhatItHasRoomFor() throws {
    let bytes = self.bytes(256 << 10)
    let file = try FileSource(makeFile(bytes))
    let range = StoredRange(file, offset: 0, length: 256 << 10)
    let pipe = try #require(PagePipe(capacity: 64 << 10))
    let target = try makeTarget(256 << 10)
    #expect(pipe.take(range, from: 0) == 64 << 10)
    #expect(pipe.take(range, from: 64 << 10) == 0)
    #expect(pipe.count == 64 << 10)
    #expect(target.write(pipe, at: 4096))
    #expect(pipe.count == 0)
    #expect(pipe.take(StoredRange(file, offset: 256 << 10, length: 4096), from: 0) == nil, "there is nothing")
    #expect(try target.contents()[4096..<(68 << 10)] == bytes[..<(64 << 10)])
  }
}

/// A file that takes pages, and counts what it was given.
private final class PageTarget: BlockTarget {
  private let file: OpenFile
  let byteCount: UInt64
  private let spliced = Atomic<UInt64>(0)
  private let zeroed = Atomic<UInt64>(0)
  /// From this byte on taking pages fails, after half of them have been overwritten.
  let failsAfter = Atomic<UInt64>(.max)
  private let isFirst = Atomic(true)
  /// Happens before the first write.
  nonisolated(unsafe) var atFirst: () -> Void = {}

  init(_ file: consuming OpenFile, byteCount: UInt64) {
    self.file = file
    self.byteCount = byteCount
  }

  var splicedCount: UInt64 { spliced.load(ordering: .relaxed) }
  var zeroedCount: UInt64 { zeroed.load(ordering: .relaxed) }
  var sectorSize: Int { 512 }
  func takesPages(_ range: Range<UInt64>) -> Bool { true }

  func contents() throws -> [UInt8] {
    var buffer = Buffer(count: Int(byteCount))
    var span = buffer.mutablePrefix(Int(byteCount))
    try file.read(at: 0, into: &span)
    return buffer.prefix(Int(byteCount)).array
  }

  func write(_ pages: PagePipe, at offset: UInt64) -> Bool {
    if isFirst.exchange(false, ordering: .relaxed) { unsafe atFirst() }
    guard offset < failsAfter.load(ordering: .relaxed) else {
      _ = try? file.write([UInt8](repeating: 0x55, count: pages.count / 2).span.bytes, at: offset)
      return false
    }
    let count = UInt64(pages.count)
    guard pages.empty(into: file, at: offset) else { return false }
    spliced.wrappingAdd(count, ordering: .relaxed)
    return true
  }
  func write(_ bytes: RawSpan, at offset: UInt64) throws { try file.write(bytes, at: offset) }
  func writeZeroes(at offset: UInt64, count: UInt64) throws {
    zeroed.wrappingAdd(count, ordering: .relaxed)
    try file.write([UInt8](repeating: 0, count: Int(count)).span.bytes, at: offset)
  }
  func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    try file.read(at: offset, into: &buffer)
  }
  func flush() {}
}
