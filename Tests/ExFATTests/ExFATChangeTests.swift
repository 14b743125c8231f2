import BlockIO
import Filesystems
import Support
import Testing

@testable import ExFAT

/// Each change alone, and what is refused.
@Suite struct ExFATChangeTests {
  /// Expects `body` to throw a `FileError` whose sentence contains `word`, and nothing to be written.
  private func refuse(
    _ writing: ExFATWriting, _ word: String, _ body: (WritableExFATVolume) throws -> Void
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

  @Test func wishesThatExFATCannotFulfil() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 512", size: "4M"), hasKept: false)
    try writing.change { volume in
      let kept = try volume.makeDirectory("kept")
      try volume.make("file1", in: kept, [1, 2, 3])
    }
    for name in ["a:b", "a*b", "a?b", "a\"b", "a<b", "a>b", "a|b", "a\\b", "a\u{1}b", "dot.", "space "] {
      try refuse(writing, "no name that exFAT can store") {
        _ = try $0.create(FileName(name), in: $0.root, attributes: newAttributes())
      }
    }
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
    try refuse(writing, "not enough free space") {
      try $0.replaceContents(of: file, with: ZeroContents(byteCount: 1 << 40))
    }
    try refuse(writing, "not enough free space") { try $0.append(ZeroContents(byteCount: 8 << 20), to: file) }
    try refuse(writing, "not enough free space") { try $0.truncate(file, to: 8 << 20) }
    try writing.change { volume in
      let free = try volume.statistics().freeBlockCount
      let all = try volume.make("all", [])
      try volume.transaction { try volume.replaceContents(of: all, with: ZeroContents(byteCount: free * 512)) }
      #expect(try volume.statistics().freeBlockCount == 0)
    }
    try writing.check("full")
    try refuse(writing, "not enough free space") { try $0.append(ZeroContents(byteCount: 600), to: file) }
    try refuse(writing, "not enough free space") { volume in
      for number in 0..<20 { _ = try volume.create(FileName("f\(number)"), in: kept, attributes: newAttributes()) }
    }
  }

  @Test func volumesThatAreNotFitAreNotChanged() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 512", size: "4M"), hasKept: false)
    try writing.change { try $0.make("file", [1, 2, 3]) }
    let reader = try ExFATVolume(FileStore(writing.path))
    let file = try #require(try reader.lookup("file", in: reader.root))
    let bitmap = Int(reader.heap.offset(of: try reader.bitmap().firstCluster))
    let cluster = Int(try reader.entrySet(of: file).stream.firstCluster) - 2
    let rest = try MemoryDisk(contentsOf: writing.path).byte(bitmap + cluster / 8) & ~(1 << UInt8(cluster % 8))
    let cases: [(word: String, changes: [(Int, [UInt8])])] = [
      ("errors were met", [(106, [4])]), ("checksum does not match", [(12 * 512 + 100, [9])]),
      ("marked as free", [(106, [2]), (bitmap + cluster / 8, [rest])]),
    ]
    for test in cases {
      let disk = try MemoryDisk(contentsOf: writing.path)
      for (place, bytes) in test.changes { disk.put(bytes, at: place) }
      let before = disk.contents
      let volume = try WritableExFATVolume(disk, isRehearsal: false)
      do {
        try volume.transaction { _ = try volume.create("x", in: volume.root, attributes: newAttributes()) }
        Issue.record("\(test.word): not refused")
      } catch let error as ImageError {
        #expect(error.description.contains(test.word) && error.kind == .unsupported, "\(error)")
      }
      try volume.finish()
      #expect(disk.contents == before, "\(test.word)")
    }
    // One that was only not unmounted is taken, and stays marked.
    try writing.scratch.shell("printf '\\2' | dd of=disk bs=1 seek=106 conv=notrunc status=none")
    try writing.change { try $0.make("new", [1]) }
    #expect(try ExFATVolume(FileStore(writing.path)).boot.flags == .dirty)
    #expect(try writing.open().lookup("new", in: FileID(0)) != nil)
  }

  @Test func timesAttributesAndCaseAreKept() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 4K", size: "16M"), hasKept: false)
    try writing.change { volume in
      var attributes = newAttributes(modified: 1_234_567_891)
      attributes.created = Timestamp(seconds: 1_000_000_001, nanoseconds: 990_000_000)
      attributes.accessed = Timestamp(seconds: 1_300_000_000)
      attributes.flags = ["hidden"]
      let file = try volume.transaction { try volume.create("file", in: volume.root, attributes: attributes) }
      var found = try volume.attributes(of: file)
      #expect(found.modified.seconds == 1_234_567_891 && found.created == attributes.created)
      #expect(found.accessed?.seconds == 1_300_000_000 && found.flags == ["hidden", "archive"])
      found.permissions = 0o444
      found.flags = ["system"]
      try volume.transaction { try volume.setAttributes(found, of: file) }
      #expect(try volume.attributes(of: file).permissions == 0o444)
      for wrong in [{ $0.owner = 5 }, { $0.group = 5 }, { $0.permissions = 0o600 }] as [(inout FileAttributes) -> Void]
      {
        var attributes = found
        wrong(&attributes)
        #expect(throws: FileError.self) { try volume.transaction { try volume.setAttributes(attributes, of: file) } }
      }
      _ = try volume.transaction { try volume.rename("file", in: volume.root, to: "FILE", in: volume.root) }
      #expect(try volume.entries(of: volume.root, from: 0, limit: 10).map(\.name) == ["FILE"])
    }
    try writing.check()
    let percent = try writing.scratch.shell("od -An -tu1 -j112 -N1 disk").output
    #expect(percent.contains("0"))
  }

  @Test func twentyThousandFilesAndALargeOne() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 4K", size: "500M"))
    try writing.change { volume in
      let directory = try volume.makeDirectory("many")
      for part in 0..<20 {
        try volume.transaction {
          for number in (part * 1000)..<((part + 1) * 1000) {
            let name = FileName("the file \(number)")
            #expect(try volume.lookup(name, in: directory) == nil)
            let file = try volume.create(name, in: directory, attributes: newAttributes())
            try volume.replaceContents(of: file, with: BytesContents(Array("\(number)".utf8)))
          }
        }
      }
      let file = try volume.make("large", [1])
      try volume.transaction { try volume.replaceContents(of: file, with: ZeroContents(byteCount: 300 << 20)) }
      try volume.transaction { try volume.append(BytesContents(Array("end".utf8)), to: file) }
    }
    try writing.check()
    guard ExFATCase.hasFUSE else { return }
    let shown = try writing.scratch.shell(
      ExFATCase.mounting + """
        mount_it -o ro
        cd mnt; ls many | wc -l; cat 'many/the file 12345'; echo; stat -c %s large; tail -c 3 large
        head -c 300M large | tr -d '\\0' | wc -c; cd ..
        unmount_it
        """)
    #expect(shown.output.split(whereSeparator: \.isWhitespace) == ["20000", "12345", "314572803", "end0"])
  }
}
