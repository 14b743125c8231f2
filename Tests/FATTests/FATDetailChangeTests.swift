import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// Changes where a volume's own settings matter.
@Suite struct FATDetailChangeTests {
  @Test func onlyTheActiveTableIsKeptUpToDate() throws {
    let writing = try FATWriting("-F 32 -s 1", size: "34M", script: FATWriting.kept)
    let disk = try MemoryDisk(contentsOf: writing.path)
    let reader = try FATVolume(disk)
    let (table, size) = (Int(reader.table.start), Int(reader.boot.tableSectors) * 512)
    // Only the second one counts.
    disk.put([0x81], at: 40)
    disk.put([0x81], at: 6 * 512 + 40)
    let before = disk.contents[table..<(table + size)]
    let volume = try WritableFATVolume(disk, isRehearsal: false)
    try volume.make("new", Array(repeating: 5, count: 5000))
    try volume.finish()
    #expect(disk.contents[table..<(table + size)] == before)
    let contents = try FATVolume(disk).contents(of: #require(try FATVolume(disk).lookup("new", in: FileID(0))))
    let sum = try FileTree.checksum(contents, pieceSize: 4096)
    #expect(try sum == FileTree.checksum(BytesContents(Array(repeating: 5, count: 5000)), pieceSize: 4096))
    // As a volume with the tables mirrored it is what fsck.fat finds sound.
    disk.put([0], at: 40)
    disk.put([0], at: 6 * 512 + 40)
    disk.put(Array(disk.contents[(table + size)..<(table + 2 * size)]), at: table)
    try FileStore(writing.path).write(disk.contents.span.bytes, at: 0)
    try writing.check()
  }

  @Test(
    "A count and a hint that are wrong are put right",
    arguments: [[0xff, 0xff, 0xff, 0xff], [1, 0, 0, 0], [0, 0, 0, 0x70]] as [[UInt8]])
  func staleCounts(_ value: [UInt8]) throws {
    let writing = try FATWriting("-F 32 -s 1", size: "34M", script: FATWriting.kept)
    let store = try FileStore(writing.path)
    try store.write((value + value).span.bytes, at: 512 + 488)
    try writing.change { volume in
      try volume.make("new", Array(repeating: 5, count: 5000))
      try volume.transaction { try volume.remove("new", from: volume.root) }
      try volume.make("other", Array(repeating: 6, count: 700))
    }
    try writing.check()
  }

  @Test func aVolumeWhoseWritingFailsStaysMarked() throws {
    let writing = try FATWriting("-F 16 -s 1", size: "8M", script: FATWriting.kept)
    let store = FailingStore(try FileStore(writing.path))
    let volume = try WritableFATVolume(store, isRehearsal: false)
    try volume.make("one", [1])
    #expect(throws: FailingStore.Failure.self) {
      try volume.group {
        // This waits for what follows.
        try volume.make("two", Array(repeating: 2, count: 3000))
        store.fail(after: 1)
      }
    }
    store.mend()
    #expect(throws: ImageError.self) { try volume.make("three", [3]) }
    try volume.finish()
    #expect(try FATCase.open(writing.scratch).warnings.contains { $0.contains("not unmounted") })
    try writing.scratch.shell("fsck.fat -a disk", expecting: nil)
    try writing.check()
    #expect(try writing.open().lookup("one", in: FileID(0)) != nil)
  }

  @Test func aRehearsalTouchesNoContents() throws {
    let writing = try FATWriting("-F 16 -s 1", size: "8M", script: FATWriting.kept)
    let volume = try writing.open(isRehearsal: true)
    try volume.transaction {
      let file = try volume.create("file", in: volume.root, attributes: newAttributes())
      try volume.replaceContents(of: file, with: Unreadable(byteCount: 3 << 20))
      try volume.append(Unreadable(byteCount: 2 << 20), to: file)
      #expect(throws: FileError.self) { try volume.append(Unreadable(byteCount: 20 << 20), to: file) }
    }
    try volume.finish()
    try writing.check()
  }
}

/// Contents that must not be read.
private final class Unreadable: FileContents {
  let byteCount: UInt64
  init(byteCount: UInt64) { self.byteCount = byteCount }
  func extent(at offset: UInt64, limit: UInt64) throws -> Extent { throw WasAsked() }
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws { throw WasAsked() }
}

/// What is not to be done was done.
private struct WasAsked: Error {}
