import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// What cannot be done is refused by name, and leaves the volume bit-identical.
@Suite struct FATRefusalTests {
  /// Expects `body` to throw a `FileError` whose sentence contains `word`, and nothing to be written.
  private func refuse(
    _ writing: FATWriting, _ word: String, _ body: (WritableFATVolume) throws -> Void
  ) throws {
    let before = try writing.digest()
    let volume = try writing.open()
    do {
      try volume.transaction { try body(volume) }
      Issue.record("\(word): not refused")
    } catch let error as FileError {
      #expect(error.description.contains(word), "\(error)")
    }
    try volume.finish()
    #expect(try writing.digest() == before, "\(word)")
  }

  @Test func wishesThatFATCannotFulfil() throws {
    let writing = try FATWriting("-F 16 -s 1", size: "8M", script: FATWriting.kept)
    for name in [
      "a:b", "a*b", "a?b", "a\"b", "a<b", "a>b", "a|b", "a\\b", "a\u{1}b", "dot.", "space ", "\u{ffff}",
    ] {
      try refuse(writing, "no name that FAT can store") {
        _ = try $0.create(FileName(name), in: $0.root, attributes: newAttributes())
      }
      try refuse(writing, "no name that FAT can store") {
        _ = try $0.rename("kept", in: $0.root, to: FileName(name), in: $0.root)
      }
    }
    try refuse(writing, "not UTF-8") { _ = try $0.create(FileName([0xff]), in: $0.root, attributes: newAttributes()) }
    try refuse(writing, "too long") {
      _ = try $0.create(FileName(String(repeating: "é", count: 256)), in: $0.root, attributes: newAttributes())
    }
    for kind in FileKind.allCases where kind != .regular && kind != .directory {
      try refuse(writing, "no \(kind.name)") { _ = try $0.create("x", in: $0.root, attributes: newAttributes(kind)) }
    }
    try refuse(writing, "no symbolic links") {
      _ = try $0.createSymbolicLink("x", to: "y", in: $0.root, attributes: newAttributes(.symbolicLink))
    }
    let kept = try #require(try writing.open().lookup("kept", in: FileID(0)))
    let file = try #require(try writing.open().lookup("file1", in: kept))
    try refuse(writing, "no hard links") { try $0.link(file, as: "x", in: $0.root) }
    try refuse(writing, "no extended attributes") { try $0.setExtendedAttribute("user.a", to: [1], of: file) }
    try refuse(writing, "exists already") { _ = try $0.create("KEPT", in: $0.root, attributes: newAttributes()) }
    try refuse(writing, "no such file") { try $0.remove("missing", from: $0.root) }
    try refuse(writing, "not empty") { try $0.remove("kept", from: $0.root) }
    try refuse(writing, "is a directory") { try $0.replaceContents(of: kept, with: BytesContents([1])) }
    try refuse(writing, "is a directory") { _ = try $0.rename("file1", in: kept, to: "kept", in: $0.root) }
    try refuse(writing, "not a directory") { _ = try $0.create("x", in: file, attributes: newAttributes()) }
    try refuse(writing, "below itself") { _ = try $0.rename("kept", in: $0.root, to: "x", in: kept) }
    try refuse(writing, "too large") { try $0.replaceContents(of: file, with: ZeroContents(byteCount: 1 << 32)) }
    try refuse(writing, "too large") { try $0.append(ZeroContents(byteCount: 1 << 32 - 1), to: file) }
    try refuse(writing, "too large") { try $0.truncate(file, to: 1 << 32) }
  }

  @Test(
    "A full volume or directory is left as it was",
    arguments: [("-F 12", "720K"), ("-F 16 -s 1", "5M"), ("-F 32 -s 1", "34M")])
  func full(_ options: String, _ size: String) throws {
    let writing = try FATWriting(options, size: size, script: FATWriting.kept)
    let before = try writing.open().statistics()
    let free = before.freeBlockCount * UInt64(before.blockSize)
    let kept = try #require(try writing.open().lookup("kept", in: FileID(0)))
    let file = try #require(try writing.open().lookup("file1", in: kept))
    try refuse(writing, "not enough free space") {
      try $0.replaceContents(of: file, with: ZeroContents(byteCount: free + 1))
    }
    try refuse(writing, "not enough free space") { try $0.append(ZeroContents(byteCount: free + 1024), to: file) }
    try writing.change { volume in
      let file = try volume.make("all", [])
      try volume.transaction { try volume.replaceContents(of: file, with: ZeroContents(byteCount: free)) }
      #expect(try volume.statistics().freeBlockCount == 0)
    }
    try writing.check("full")
    try refuse(writing, "not enough free space") { try $0.replaceContents(of: file, with: BytesContents([1])) }
    try refuse(writing, "not enough free space") {
      _ = try $0.create("d", in: $0.root, attributes: newAttributes(.directory))
    }
    try refuse(writing, "not enough free space") { volume in
      for number in 0..<100 {
        _ = try volume.create(FileName("a long name number \(number)"), in: kept, attributes: newAttributes())
      }
    }
    try writing.change { volume in
      try volume.transaction { try volume.remove("all", from: volume.root) }
      #expect(try volume.statistics().freeBlockCount == before.freeBlockCount)
    }
    try writing.check("emptied")
  }

  @Test func aRootDirectoryMayBeFull() throws {
    let writing = try FATWriting("-F 16 -s 1 -r 32", size: "8M", script: FATWriting.kept)
    try writing.change { volume in for number in 0..<31 { try volume.make(FileName("F\(number)"), []) } }
    try writing.check()
    try refuse(writing, "cannot hold another entry") {
      _ = try $0.create("F31", in: $0.root, attributes: newAttributes())
    }
    try refuse(writing, "cannot hold another entry") {
      _ = try $0.rename("F3", in: $0.root, to: "long name", in: $0.root)
    }
    try writing.change { volume in
      try volume.transaction { try volume.remove("F7", from: volume.root) }
      try volume.transaction { try volume.remove("F8", from: volume.root) }
      try volume.make("long name", [1])
    }
    try writing.check()
  }

  @Test func aDirectoryHoldsAtMost65536Entries() throws {
    let writing = try FATWriting("-F 32 -s 8", size: "300M")
    try writing.change { volume in
      let directory = try volume.makeDirectory("many")
      try volume.transaction {
        for number in 0..<65534 {
          _ = try volume.create(FileName("F\(number)"), in: directory, attributes: newAttributes())
        }
      }
    }
    try writing.check()
    let many = try #require(try writing.open().lookup("many", in: FileID(0)))
    try refuse(writing, "cannot hold another entry") { _ = try $0.create("G", in: many, attributes: newAttributes()) }
  }

  @Test func volumesThatAreNotFitAreNotChanged() throws {
    let writing = try FATWriting("-F 32 -s 1", size: "34M", script: FATWriting.kept)
    let table = Int(try writing.open().reader.table.start)
    let kept = try #require(try writing.open().lookup("kept", in: FileID(0)))
    let file = try #require(try writing.open().lookup("file3", in: kept))
    let cluster = Int(try writing.open().reader.entry(of: file).firstCluster)
    let size = Int(try writing.open().reader.boot.tableSectors) * 512
    let entry = { (value: Int) in [0, 8, 16, 24].map { UInt8(value >> $0 & 0xff) } }
    let cases: [(word: String, changes: [(Int, [UInt8])])] = [
      ("errors were met", [(65, [2])]), ("errors were met", [(table + 7, [0x0b])]),
      ("table 1 differs", [(table + size + 4 * 3000, entry(0x0fff_fff8))]), ("version 1.0", [(43, [1])]),
      ("Table 1 differs".lowercased(), [(table + 12, [0x77])]), ("table 5 is said", [(40, [0x85])]),
      ("describe different volumes", [(6 * 512 + 13, [8])]), ("ends after", [(34, [0xff])]),
      ("as another one does", [table, table + size].map { ($0 + 4 * cluster, entry(cluster + 2)) }),
      ("another one leads to it", [table, table + size].map { ($0 + 4 * cluster, entry(60000)) }),
      ("which no cluster has", [table, table + size].map { ($0 + 4 * cluster, entry(0x0abc_def0)) }),
    ]
    for test in cases {
      let disk = try MemoryDisk(contentsOf: writing.path)
      for (place, bytes) in test.changes { disk.put(bytes, at: place) }
      let before = disk.contents
      let volume = try WritableFATVolume(disk, isRehearsal: false)
      do {
        try volume.transaction { _ = try volume.create("x", in: volume.root, attributes: newAttributes()) }
        Issue.record("\(test.word): not refused")
      } catch let error as ImageError {
        #expect(error.description.contains(test.word) && error.kind == .unsupported, "\(error)")
      }
      try volume.finish()
      #expect(disk.contents == before, "\(test.word)")
    }
  }

  @Test func aVolumeInUseStaysMarked() throws {
    for options in ["-F 12", "-F 16 -s 1", "-F 32 -s 1"] {
      let writing = try FATWriting(options, size: options.contains("32") ? "34M" : "4M", script: FATWriting.kept)
      let wide = options.contains("32")
      try writing.scratch.shell("printf '\\1' | dd of=disk bs=1 seek=\(wide ? 65 : 37) conv=notrunc status=none")
      try writing.change { try $0.make("new", Array("new".utf8)) }
      let text = try writing.scratch.shell("fsck.fat -n disk", expecting: nil).text
      #expect(
        text.contains("Dirty bit is set") && !text.contains("summary") && !text.contains("FATs differ"), "\(text)")
      try writing.scratch.shell("fsck.fat -a disk", expecting: nil)
      try writing.check()
      #expect(try writing.open().lookup("new", in: FileID(0)) != nil)
    }
  }

  @Test("A medium that fails midway is not written any more", arguments: [("-F 12", "1440K"), ("-F 32 -s 1", "34M")])
  func failingMedium(_ options: String, _ size: String) throws {
    let found = try FATWriting(options, size: size).failAfterEachWrite()
    #expect(found.wrong == [] && found.count > 5)
  }
}
