import BlockIO
import Filesystems
import Support
import Testing

@testable import ExFAT

/// Changes of what others have written.
@Suite struct ExFATDetailChangeTests {
  @Test(
    "Each file that exfat-fuse made can be changed, wherever its entries lie",
    .enabled(if: ExFATCase.hasFUSE), arguments: [ExFATCase(options: "-c 512", size: "8M"), ExFATCase(options: "")])
  func foreignFiles(_ test: ExFATCase) throws {
    let more =
      "mkdir mnt/more; for i in {1..60}; do head -c ${i}00 /dev/urandom >\"mnt/more/a file $i$(printf %0$((i / 2))d 0)\"; done\n"
    let writing = try ExFATWriting(test, script: more)
    var split = 0
    var names: [FileName] = []
    try writing.change { volume in
      let directory = try #require(try volume.lookup("more", in: volume.root))
      for (number, entry) in try volume.entries(of: directory, from: 0, limit: 1000).enumerated() {
        if entry.file.number % 16 == 15 { split += 1 }
        let bytes = BytesContents(Array("number \(number)".utf8))
        try volume.transaction { try volume.replaceContents(of: entry.file, with: bytes) }
        try volume.transaction { try volume.append(BytesContents(Array(" and more".utf8)), to: entry.file) }
        names.append(entry.name)
        guard number % 3 == 0 else { continue }
        names[number] = FileName("renamed \(number)")
        try volume.transaction {
          _ = try volume.rename(entry.name, in: directory, to: names[number], in: directory)
          try volume.append(BytesContents(Array("!".utf8)), to: entry.file)
        }
      }
    }
    #expect(split > 0 && names.count == 60)
    try writing.check()
    try writing.mounted { folder in
      for (number, name) in names.enumerated() {
        let shown = try run(["cat", folder + "/more/" + name.description]).output
        #expect(shown == "number \(number) and more" + (number % 3 == 0 ? "!" : ""))
      }
      #expect(try shell("ls \(folder)/more | wc -l").output == "60\n")
    }
  }

  @Test("The longest names lie across three clusters of 512 bytes", .enabled(if: ExFATCase.hasFUSE))
  func longestNames() throws {
    // fsck.exfat 1.2.0 cannot read those, exfat-fuse can.
    let writing = try ExFATWriting(ExFATCase(options: "-c 512", size: "4M"), hasKept: false)
    // After the first one's 11 entries the second's 19 start at the 15th of a cluster.
    let names = [135, 255, 255, 255].enumerated().map {
      FileName("\($0.offset)" + String(repeating: "x", count: $0.element - 1))
    }
    var acrossThree = 0
    try writing.change { volume in
      for (number, name) in names.enumerated() {
        let file = try volume.make(name, [UInt8(ascii: "a") + UInt8(number)])
        if number > 0, file.number % 16 + 19 > 32 { acrossThree += 1 }
      }
    }
    #expect(acrossThree > 0)
    let volume = try ExFATVolume(FileStore(writing.path))
    for (number, name) in names.enumerated() {
      let file = try #require(try volume.lookup(name, in: volume.root))
      let wanted = BytesContents([UInt8(ascii: "a") + UInt8(number)])
      #expect(
        try FileTree.checksum(volume.contents(of: file), pieceSize: 9) == FileTree.checksum(wanted, pieceSize: 9))
    }
    #expect(try volume.entries(of: volume.root, from: 0, limit: 100).count == names.count)
    try writing.mounted { folder in
      for (number, name) in names.enumerated() {
        let letter = Character(UnicodeScalar(UInt8(ascii: "a") + UInt8(number)))
        let shown = try run(["cat", folder + "/" + name.description]).output
        #expect(shown == String(letter))
      }
    }
  }

  @Test func contiguousFilesStaySoAndOthersBecomeChains() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 512", size: "4M"), hasKept: false)
    try writing.change { volume in
      func stream(_ name: FileName) throws -> EntrySet.Stream {
        try volume.reader.entrySet(of: #require(try volume.lookup(name, in: volume.root))).stream
      }
      let first = try volume.make("first", Array(repeating: 1, count: 1000))
      try volume.transaction { try volume.append(BytesContents(Array(repeating: 2, count: 1000)), to: first) }
      #expect(try stream("first").isOnePiece)
      try volume.make("second", Array(repeating: 3, count: 1000))
      try volume.transaction { try volume.append(BytesContents(Array(repeating: 4, count: 9000)), to: first) }
      #expect(try !stream("first").isOnePiece)
      try volume.transaction { try volume.truncate(first, to: 1500) }
      #expect(try stream("first").isOnePiece)
      let sum = try FileTree.checksum(volume.contents(of: first), pieceSize: 999)
      let wanted = BytesContents(Array(repeating: 1, count: 1000) + Array(repeating: 2, count: 500))
      #expect(try sum == FileTree.checksum(wanted, pieceSize: 999))
    }
    try writing.check()
  }

  @Test func vendorsEntriesStay() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 4K", size: "16M"), hasKept: false)
    try writing.change { try $0.make("file", [1, 2, 3]) }
    let reader = try ExFATVolume(FileStore(writing.path))
    let file = try #require(try reader.lookup("file", in: reader.root))
    let found = try reader.found(file)
    var bytes = found.bytes + [EntryType.vendorExtension.rawValue] + (1..<32).map { UInt8($0) }
    bytes[1] += 1
    let sum = EntrySet.checksum(bytes.span.bytes)
    (bytes[2], bytes[3]) = (UInt8(sum & 0xff), UInt8(sum >> 8))
    let store = try FileStore(writing.path)
    try store.write(bytes.span.bytes, at: found.offset)
    let volume = try writing.open()
    try volume.transaction { try volume.replaceContents(of: file, with: BytesContents([4])) }
    let renamed = try volume.transaction {
      try volume.rename("file", in: volume.root, to: "a name in two entries", in: volume.root)
    }
    try volume.finish()
    let after = try ExFATVolume(FileStore(writing.path)).found(renamed)
    #expect(after.bytes.suffix(32) == bytes.suffix(32) && after.bytes.count == 5 * 32)
    // fsck.exfat takes vendors' entries for names, so that it cannot tell.
  }

  @Test func aRehearsalTouchesNoContents() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 4K", size: "16M"), hasKept: false)
    let volume = try writing.open(isRehearsal: true)
    try volume.transaction {
      let file = try volume.create("file", in: volume.root, attributes: newAttributes())
      try volume.replaceContents(of: file, with: Unreadable(byteCount: 5 << 20))
      try volume.append(Unreadable(byteCount: 2 << 20), to: file)
      #expect(throws: FileError.self) { try volume.append(Unreadable(byteCount: 20 << 20), to: file) }
    }
    try volume.finish()
    try writing.check()
  }

  @Test func texFATIsRefused() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 4K", size: "16M"), hasKept: false)
    try writing.scratch.shell(
      """
      python3 - <<'EOF'
      import struct
      d = bytearray(open('disk', 'rb').read())
      d[110] = 2
      start, length, heap = struct.unpack_from('<III', d, 80)
      struct.pack_into('<I', d, 84, (heap - start) // 2)
      s = 0
      for i in range(11 * 512):
        if i not in (106, 107, 112): s = ((s << 31 | s >> 1) + d[i]) & 0xffffffff
      d[11 * 512:12 * 512] = struct.pack('<I', s) * 128
      d[12 * 512:24 * 512] = d[:12 * 512]
      open('disk', 'wb').write(d)
      EOF
      """)
    let before = try writing.digest()
    let volume = try writing.open()
    do {
      try volume.requireWritable()
      Issue.record("not refused")
    } catch let error as ImageError {
      #expect(error.description.contains("TexFAT"), "\(error)")
    }
    #expect(try writing.digest() == before)
  }

  @Test func twoOwnersOfAClusterAreRefused() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 4K", size: "8M"), hasKept: false)
    try writing.change { volume in
      try volume.make("one", [1, 2, 3])
      try volume.make("other", [4, 5, 6])
    }
    let disk = try MemoryDisk(contentsOf: writing.path)
    let reader = try ExFATVolume(disk)
    let one = try reader.found(#require(try reader.lookup("one", in: reader.root)))
    let other = try reader.found(#require(try reader.lookup("other", in: reader.root)))
    var set = other.set
    set.stream = one.set.stream
    disk.put(set.bytes, at: Int(other.offset))
    // Only of a volume that was not unmounted are all files looked at.
    disk.put([2], at: 106)
    let before = disk.contents
    let volume = try WritableExFATVolume(disk, isRehearsal: false)
    do {
      try volume.requireWritable()
      Issue.record("not refused")
    } catch let error as ImageError {
      #expect(error.description.contains("share cluster \(one.set.stream.firstCluster)"), "\(error)")
    }
    #expect(disk.contents == before)
  }

  @Test func aMediumThatFailsMidwayIsNotWrittenAnyMore() throws {
    let writing = try ExFATWriting(ExFATCase(options: "-c 512", size: "3M"), hasKept: false)
    let found = try writing.failAfterEachWrite()
    #expect(found.wrong == [] && found.count > 5)
  }
}

/// Contents that must not be read.
private final class Unreadable: FileContents {
  let byteCount: UInt64
  init(byteCount: UInt64) { self.byteCount = byteCount }
  func extent(at offset: UInt64, limit: UInt64) throws -> Extent { throw WasAsked() }
  func read(at offset: UInt64, into buffer: inout MutableRawSpan) throws { throw WasAsked() }
}

/// What is not to be done was done, or the medium fails.
private struct WasAsked: Error {}
