import BlockIO
import Filesystems
import Support
import SystemPackage
import Testing

@testable import FAT

@Suite struct FATDetailTests {
  /// A volume with names of all kinds and attributes.
  private func named(_ scratch: Scratch) throws -> FATVolume {
    try scratch.shell(
      FATCase.environment + """
        truncate -s 16M disk; mkfs.fat -F 16 -s 4 disk >/dev/null; mlabel -i disk ::'GRÖ É'
        for name in 'Größe.text' 'É.TXT' 'é.txt2' lower.txt 'Long Name With Spaces' 'long name with others' PLAIN.TXT 'Ж.doc'; do
          echo "$name" >"$name"
        done
        mcopy -i disk -Q 'Größe.text' 'É.TXT' 'é.txt2' lower.txt Long* long* PLAIN.TXT 'Ж.doc' ::
        mattrib -i disk +h +s ::lower.txt; mattrib -i disk +r -a ::PLAIN.TXT; mattrib -i disk +r +h ::'Größe.text'
        mmd -i disk ::Directory; mattrib -i disk +h ::Directory
        """)
    return try FATCase.open(scratch)
  }

  @Test func attributesAreWhatMattribShows() throws {
    let scratch = try Scratch()
    let volume = try named(scratch)
    let lines = try scratch.shell(FATCase.environment + "mattrib -i disk ::*").output.split(separator: "\n")
    #expect(lines.count == 9)
    for line in lines {
      let name = line.drop { $0 != "/" }.dropFirst()
      let letters = line.prefix { $0 != ":" }
      let file = try #require(try volume.lookup(FileName(String(name)), in: volume.root))
      let attributes = try volume.attributes(of: file)
      let words = [("A", "archive"), ("S", "system"), ("H", "hidden"), ("R", "read-only")]
      #expect(Set(attributes.flags) == Set(words.filter { letters.contains($0.0) }.map(\.1)), "\(line)")
      let isDirectory = attributes.kind == .directory
      let permissions: UInt16 = isDirectory ? 0o755 : letters.contains("R") ? 0o444 : 0o644
      #expect(attributes.permissions == permissions && isDirectory == (name == "Directory"))
    }
    let label = try scratch.shell(FATCase.environment + "mlabel -s -i disk ::").output
    #expect(label.contains(" is \(volume.identity.label ?? "none")"))
  }

  @Test func aNameIsFoundIfMtoolsFindIt() throws {
    let scratch = try Scratch()
    let volume = try named(scratch)
    let names = [
      "größe.TEXT", "GRÖßE.TEXT", "GRÖßE~1.TEX", "größe~1.tex", "GROSSE.TEXT", "é.txt", "É.txt", "É.TXT2", "LOWER.TXT",
      "Lower.Txt", "LONGNA~1", "longna~2", "LONGNA~3", "long name with spaces", "LONG NAME WITH OTHERS", "plain.txt",
      "plain", "ж.DOC", "Ж.doc", "directory", "DIRECT~1", "missing",
    ]
    for name in names {
      let theirs = try scratch.shell(FATCase.environment + "mattrib -i disk \"::\(name)\"", expecting: nil).status == 0
      let found = try volume.lookup(FileName(name), in: volume.root)
      #expect((found != nil) == theirs, "\(name)")
      let dotted = try volume.lookup(FileName(name + ".."), in: volume.root)
      #expect(dotted == found, "\(name)")
    }
  }

  @Test func creationTimesAreExact() throws {
    let scratch = try Scratch()
    try scratch.shell(
      FATCase.environment + """
        truncate -s 1440K disk; mkfs.fat disk >/dev/null; echo x >FILE; touch -d '2003-04-05 06:07:09' FILE
        mcopy -i disk -m FILE ::
        python3 - <<'EOF'
        import struct
        data = bytearray(open('disk', 'rb').read())
        at = data.index(b'FILE       ')
        stamp = lambda y, m, d: (y - 1980) << 9 | m << 5 | d
        # 1999-12-31 23:59:58 and 1.23 s; last read on 2024-02-29
        data[at + 13:at + 20] = struct.pack('<BHHH', 123, 23 << 11 | 59 << 5 | 29, stamp(1999, 12, 31), stamp(2024, 2, 29))
        open('disk', 'wb').write(data)
        EOF
        """)
    let volume = try FATCase.open(scratch)
    let attributes = try volume.attributes(of: #require(try volume.lookup("file", in: volume.root)))
    #expect(attributes.created == Timestamp(seconds: 946_684_799, nanoseconds: 230_000_000))
    #expect(attributes.accessed == Timestamp(seconds: 1_709_164_800))
    #expect(attributes.modified == Timestamp(seconds: 1_049_522_828))
    #expect(attributes.changed == nil && attributes.allocatedByteCount == 512)
  }

  @Test func timesSurviveARoundTrip() {
    var random = SeededRandom(seed: 3)
    for _ in 0..<20000 {
      let seconds = Int64.random(in: 315_532_800...4_354_819_199, using: &random)
      let moment = Timestamp(seconds: seconds, nanoseconds: UInt32.random(in: 0..<100, using: &random) * 10_000_000)
      let zone = Int.random(in: -64...63, using: &random) * 15
      guard 315_532_800...4_354_819_199 ~= seconds + Int64(zone) * 60 else { continue }
      let isSame = DOSTime(moment, utcOffset: zone).timestamp(utcOffset: zone) == moment
      #expect(isSame, "\(moment) \(zone)")
    }
  }

  /// Makes a volume with a directory of ten thousand long names.
  private func makeMany(_ scratch: Scratch) throws {
    // The directory is copied as a file, for mtools take minutes to make one so large, and then made one.
    try scratch.shell(
      FATCase.environment + """
        truncate -s 64M disk; mkfs.fat -F 32 -s 1 disk >/dev/null 2>&1
        python3 - <<'EOF'
        import struct
        with open('MANY', 'wb') as f:
          for i in range(10000):
            name = ('F%05d  EMP' % i).encode()
            total = 0
            for byte in name: total = ((total >> 1) + ((total & 1) << 7) + byte) & 255
            text = 'the file with number %d' % i
            units = [ord(c) for c in text] + [0]
            units += [0xffff] * (26 - len(units))
            for order in (0x42, 1):
              u = struct.pack('<13H', *units[(order & 3) * 13 - 13:(order & 3) * 13])
              f.write(bytes([order]) + u[:10] + bytes([15, 0, total]) + u[10:22] + b'\\0\\0' + u[22:])
            f.write(name + bytes([0x20]) + bytes(20))
        EOF
        mcopy -i disk MANY ::
        python3 - <<'EOF'
        data = bytearray(open('disk', 'rb').read())
        at = data.index(b'MANY       ')
        data[at + 11] = 0x10
        data[at + 28:at + 32] = bytes(4)
        open('disk', 'wb').write(data)
        EOF
        """)
  }

  @Test func tenThousandEntriesAreListedInPieces() throws {
    let scratch = try Scratch()
    try makeMany(scratch)
    let volume = try FATCase.open(scratch)
    let directory = try #require(try volume.lookup("many", in: volume.root))
    var names: [String] = []
    var position: UInt64 = 0
    while case let entries = try volume.entries(of: directory, from: position, limit: 7), let last = entries.last {
      names += entries.map { $0.name.description }
      position = last.next
    }
    let theirs = try scratch.shell(FATCase.environment + "mdir -i disk -a -b ::MANY").output
    let isSame = names.map { "::/MANY/\($0)\n" }.joined() == theirs
    #expect(isSame && names.count == 10000)
    #expect(try volume.lookup("THE FILE WITH NUMBER 9999", in: directory) != nil)
    #expect(try volume.lookup("f09998.EMP", in: directory) != nil)
    #expect(try volume.attributes(of: directory).byteCount == 960_000)
  }

  @Test func aFullRootDirectoryIsListedWhole() throws {
    let scratch = try Scratch()
    try scratch.shell(
      FATCase.environment + """
        truncate -s 8M disk; mkfs.fat -F 16 -s 1 -r 256 disk >/dev/null 2>&1
        mkdir many; (cd many; for i in {1000..1270}; do echo $i >F$i; done)
        mcopy -i disk -Q many/* :: 2>/dev/null || true
        """)
    let volume = try FATCase.open(scratch)
    #expect(try volume.entries(of: volume.root, from: 0, limit: 1000).count == 256)
    #expect(try volume.lookup("f1255", in: volume.root) != nil)
    #expect(try volume.lookup("f1256", in: volume.root) == nil)
    #expect(try volume.quickCheck().isSound)
  }
}
