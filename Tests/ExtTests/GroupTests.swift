import BlockIO
import Filesystems
import Support
import Testing

@testable import Ext

/// Operations that are committed together.
@Suite struct GroupTests: VolumeChanging {
  private func make(_ options: String, size: String = "64M") throws -> Scratch {
    let scratch = try Scratch(in: "/dev/shm")
    try scratch.shell("truncate -s \(size) disk; mke2fs -q -F \(options) disk")
    return scratch
  }

  private func names(_ volume: ExtVolume) throws -> Set<String> {
    Set(try volume.entries(of: volume.root, from: 0, limit: 10000).map { "\($0.name)" }).subtracting(["lost+found"])
  }

  private struct Wanted: Error {}

  /// Does much, and then the first of it again.
  private func fail(_ volume: ExtVolume) throws {
    try volume.transaction {
      _ = try volume.create("half", in: volume.root, attributes: attributes())
      try volume.remove("first", from: volume.root)
      _ = try volume.create("half", in: volume.root, attributes: attributes())
    }
  }

  @Test("An operation that fails is taken back alone", arguments: ["-t ext4", "-t ext4 -O quota -b 1024", "-t ext2"])
  func failure(_ options: String) throws {
    let scratch = try make(options)
    let volume = try self.volume(scratch)
    func changeMuch() throws {
      _ = try make("first", PatternContents(50000), volume)
      #expect(throws: FileError.self) { try fail(volume) }
      #expect(try names(volume) == ["first"])
      try volume.group { _ = try make("second", PatternContents(3), volume) }
      try volume.transaction {
        try volume.remove("first", from: volume.root)
        _ = try volume.create("third", in: volume.root, attributes: attributes())
        throw Wanted()
      }
    }
    #expect(throws: Wanted.self) { try volume.group { try changeMuch() } }
    #expect(try names(volume) == ["first", "second"])
    try volume.finish()
    try check(scratch)
    #expect(try names(self.volume(scratch)) == ["first", "second"])
    #expect(try self.volume(scratch).warnings == [])
  }

  @Test("One commit for many, and none more than fits")
  func size() throws {
    let scratch = try make("-t ext4 -b 1024")
    let store = try RecordingStore(FileStore(scratch.file("disk")))
    let volume = try ExtVolume(writing: store)
    func flushes(_ body: () throws -> Void) rethrows -> Int {
      store.reset()
      try body()
      return store.events.count - store.events.writeCount
    }
    let alone = try flushes {
      for number in 0..<20 { _ = try make(FileName("a\(number)"), PatternContents(10), volume) }
    }
    let together = try flushes {
      try volume.group { for number in 0..<20 { _ = try make(FileName("b\(number)"), PatternContents(10), volume) } }
    }
    #expect(alone >= 20 * 4)
    #expect(together <= 5)
    volume.writing?.transactions.mostStagedByteCount = 30 << 10
    let inPieces = try flushes {
      try volume.group { for number in 0..<200 { _ = try make(FileName("c\(number)"), PatternContents(10), volume) } }
    }
    #expect(8..<400 ~= inPieces)
    try volume.finish()
    try check(scratch)
  }

  /// Makes files until no inode is free, and removes them.
  private func useAllInodes(_ volume: ExtVolume) throws {
    var count = 0
    while try volume.statistics().freeInodeCount ?? 0 > 0 {
      _ = try make(FileName("n\(count)"), PatternContents(0), volume)
      count += 1
    }
    for number in 0..<count { try volume.transaction { try volume.remove(FileName("n\(number)"), from: volume.root) } }
  }

  @Test("Space that an operation frees serves the next, after a commit")
  func space() throws {
    let scratch = try make("-t ext4 -b 1024 -N 64", size: "20M")
    let volume = try self.volume(scratch)
    let size = try volume.statistics().freeBlockCount * 1024 / 3 * 2
    func changeMuch() throws {
      _ = try make("one", PatternContents(size), volume)
      try volume.transaction { try volume.remove("one", from: volume.root) }
      _ = try make("two", PatternContents(size), volume)
      try useAllInodes(volume)
      try useAllInodes(volume)
      _ = try make("three", PatternContents(size), volume)
    }
    #expect(throws: FileError(.noSpace, "the volume")) { try volume.group { try changeMuch() } }
    try volume.finish()
    try check(scratch)
    #expect(try names(self.volume(scratch)) == ["two"])
  }

  @Test("More than a small journal holds at once")
  func journal() throws {
    let scratch = try make("-t ext4 -b 1024 -J size=1 -N 20000", size: "64M")
    let volume = try self.volume(scratch)
    try volume.group {
      for number in 0..<3000 {
        let name = FileName("a-name-of-a-file-that-is-rather-long-\(number &* 7919 % 3000)")
        _ = try make(name, PatternContents(UInt64(number % 5)), volume)
      }
    }
    try volume.finish()
    try check(scratch)
    #expect(try names(self.volume(scratch)).count == 3000)
  }

  @Test("What a cut undoes is not written over", arguments: [3, 0])
  func freed(_ least: Int) throws {
    let scratch = try make("-t ext4 -b 1024", size: "16M")
    var volume = try self.volume(scratch)
    // Where the next file would go, were this one not there.
    _ = try make("old", PatternContents(2 << 20), volume)
    try volume.finish()
    try scratch.shell("cp disk before")
    let store = try RecordingStore(FileStore(scratch.file("disk")))
    volume = try ExtVolume(writing: store)
    try volume.group {
      try volume.transaction { try volume.remove("old", from: volume.root) }
      for number in 0..<4 {
        let new = BytesContents([UInt8](repeating: UInt8(200 + number), count: 512 << 10))
        _ = try make(FileName("new\(number)"), new, volume)
      }
    }
    try volume.finish()
    try check(scratch)
    var seen: Set<String> = []
    for writes in stride(from: least, through: store.events.writeCount, by: 4) {
      try scratch.shell("cp before cut")
      try store.events.replay(writes: writes, to: scratch.file("cut"))
      let repair = try scratch.shell("e2fsck -fy cut", expecting: nil)
      #expect(repair.status <= 1, "\(repair.text)")
      let found = try ExtVolume(FileStore(scratch.file("cut")))
      let state = try names(found).sorted().joined(separator: " ")
      #expect(["old", "new0 new1 new2 new3"].contains(state), "\(writes) writes: \(state)")
      seen.insert(state)
      guard state == "old" else { continue }
      let file = try #require(try found.lookup("old", in: found.root))
      let sum = try FileTree.checksum(found.contents(of: file), pieceSize: 65536)
      #expect(try sum == FileTree.checksum(PatternContents(2 << 20), pieceSize: 65536), "\(writes) writes")
    }
    #expect(seen.count == 2)
  }

  @Test("After a commit that failed the volume is left to be recovered", arguments: ["-t ext4", "-t ext2"])
  func failedCommit(_ options: String) throws {
    let scratch = try make(options)
    var failures = 0
    for writes in 0..<12 {
      try scratch.shell("cp --sparse=always disk tried")
      let store = FailingStore(try FileStore(scratch.file("tried")))
      store.fail(after: writes)
      let volume = try ExtVolume(writing: store)
      do {
        _ = try make("file", PatternContents(5000), volume)
        continue
      } catch is FailingStore.Failure { failures += 1 }
      // Whatever works again by now: nothing more is written.
      store.mend()
      let tried = store.writeCount
      if writes > 1 {
        #expect(throws: ImageError.self) { try volume.finish() }
        #expect(throws: ImageError.self) { _ = try make("next", PatternContents(1), volume) }
        #expect(store.writeCount == tried, "\(writes)")
      }
      let repair = try scratch.shell("e2fsck -fy tried", expecting: nil)
      #expect(repair.status <= 1, "\(writes): \(repair.text)")
    }
    #expect(4..<12 ~= failures)
  }
}
