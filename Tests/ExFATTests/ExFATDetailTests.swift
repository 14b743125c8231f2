import BlockIO
import Filesystems
import Support
import Testing

@testable import ExFAT

@Suite struct ExFATDetailTests {
  /// The volume in Python, and functions that make entry sets.
  private static let helpers = """
    from struct import pack, unpack_from
    data = bytearray(open('disk', 'rb').read())
    sector = 1 << data[108]
    cluster = sector << data[109]
    fat, heap = [unpack_from('<I', data, at)[0] * sector for at in (80, 88)]
    rootcluster = unpack_from('<I', data, 96)[0]
    offset = lambda c: heap + (c - 2) * cluster
    root = offset(rootcluster)
    here = root
    while data[here]: here += 32
    def put(at, new): data[at:at + len(new)] = new
    def stamp(y, m, d, h, n, s): return pack('<I', ((y - 1980) << 9 | m << 5 | d) << 16 | h << 11 | n << 5 | s // 2)
    def seal(entries):
      entries = bytearray(entries); total = 0
      for i, byte in enumerate(entries):
        if i not in (2, 3): total = ((total >> 1 | (total & 1) << 15) + byte) & 0xffff
      entries[2:4] = pack('<H', total)
      return bytes(entries)
    def file(name, first=0, size=0, valid=None, attr=0x20, flags=3, times=bytes(12), fine=bytes(5), extra=b'', count=None, length=None):
      units = name.encode('utf-16-le')
      upper = name.upper().encode('utf-16-le'); digest = 0
      for byte in upper: digest = ((digest >> 1 | (digest & 1) << 15) + byte) & 0xffff
      length = length or len(units) // 2
      names = b''.join(b'\\xc1\\0' + units[i:i + 30].ljust(30, b'\\0') for i in range(0, len(units), 30))
      stream = pack('<BBBBHHQIIQ', 0xc0, flags, 0, length, digest, 0, size if valid is None else valid, 0, first, size)
      rest = stream + names + extra
      count = len(rest) // 32 if count is None else count
      return seal(pack('<BBHHH', 0x85, count, 0, attr, 0) + times + fine + bytes(7) + rest)
    def add(entries):
      global here
      put(here, entries); here += len(entries)
    """

  /// A volume whose root directory a script of Python's adds to, with helpers that follow Microsoft's specification.
  static func crafted(_ script: String, options: String = "-c 4K") throws -> MemoryDisk {
    let scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 8M disk; mkfs.exfat -L before \(options) disk >/dev/null
      python3 - <<'EOF'
      \(helpers)
      \(script)
      open('disk', 'wb').write(data)
      EOF
      """)
    return try MemoryDisk(contentsOf: scratch.path + "/disk")
  }

  private func names(_ volume: ExFATVolume) throws -> [String] {
    try volume.entries(of: volume.root, from: 0, limit: 100).map(\.name.description)
  }

  @Test func timesHonourTheirZones() throws {
    let disk = try Self.crafted(
      """
      times = stamp(2020, 2, 29, 12, 30, 58) + stamp(2001, 1, 1, 0, 0, 0) + stamp(2024, 12, 31, 23, 59, 58)
      add(file('known', times=times, fine=bytes([199, 5, 0x80 | 8, 0x80 | (-22 & 0x7f), 0x80])))
      add(file('unknown', times=times, fine=bytes([0, 0, 8, 0x7f, 0])))
      add(file('none', attr=0x27))
      add(file('folder', attr=0x11))
      """)
    let volume = try ExFATVolume(disk)
    let known = try volume.attributes(of: #require(try volume.lookup("known", in: volume.root)))
    #expect(known.created == Timestamp(seconds: 1_582_979_459 - 7200, nanoseconds: 990_000_000))
    #expect(known.modified == Timestamp(seconds: 978_307_200 + 19800, nanoseconds: 50_000_000))
    #expect(known.accessed == Timestamp(seconds: 1_735_689_598))
    let unknown = try volume.attributes(of: #require(try volume.lookup("unknown", in: volume.root)))
    #expect(unknown.created == Timestamp(seconds: 1_582_979_458))
    #expect(unknown.permissions == 0o644 && unknown.flags == ["archive"])
    let none = try volume.attributes(of: #require(try volume.lookup("none", in: volume.root)))
    #expect(none.created == nil && none.accessed == nil && none.permissions == 0o444)
    #expect(none.flags == ["read-only", "hidden", "system", "archive"])
    let folder = try #require(try volume.lookup("folder", in: volume.root))
    #expect(try volume.attributes(of: folder).permissions == 0o555)
    #expect(try volume.entries(of: folder, from: 0, limit: 10).isEmpty)
  }

  @Test func whatWasNeverWrittenIsZero() throws {
    let disk = try Self.crafted(
      """
      put(offset(10), b'\\xaa' * cluster * 8)
      add(file('valid', first=10, size=30000, valid=5001))
      add(file('nothing', first=14, size=9000, valid=0))
      """)
    let volume = try ExFATVolume(disk)
    let contents = try volume.contents(of: #require(try volume.lookup("VALID", in: volume.root)))
    #expect(try contents.extent(at: 0, limit: 30000) == Extent(.data, offset: 0, length: 5001))
    #expect(try contents.extent(at: 5000, limit: 30000) == Extent(.data, offset: 5000, length: 1))
    #expect(try contents.extent(at: 5001, limit: 29000) == Extent(.zero, offset: 5001, length: 23999))
    var bytes = [UInt8](repeating: 1, count: 30000)
    var span = bytes.mutableSpan
    var raw = span.mutableBytes
    try contents.read(at: 0, into: &raw)
    let isRight = bytes[..<5001].allSatisfy { $0 == 0xaa } && bytes[5001...].allSatisfy { $0 == 0 }
    #expect(isRight)
    let nothing = try volume.contents(of: #require(try volume.lookup("nothing", in: volume.root)))
    #expect(try nothing.extent(at: 0, limit: 9000) == Extent(.zero, offset: 0, length: 9000))
  }

  @Test func vendorsEntriesArePassedOver() throws {
    let disk = try Self.crafted(
      """
      add(file('one', extra=b'\\xe0\\1' + bytes(30) + b'\\xe1\\1' + bytes(30)))
      add(bytes([0xa0, 0]) + bytes(4) + bytes(range(16)) + bytes(10))
      add(bytes([0xa1, 2]) + bytes(30) + bytes([0xe0]) + bytes(31) + bytes([0xc0]) + bytes(31))
      add(bytes([0x05, 2]) + bytes(30) + bytes([0x40]) + bytes(31) + bytes([0x41]) + bytes(31))
      add(file('x' * 255))
      """)
    let volume = try ExFATVolume(disk)
    #expect(volume.warnings == [])
    #expect(try names(volume) == ["one", String(repeating: "x", count: 255)])
    #expect(volume.description.guid == Array(0..<16))
    #expect(volume.identity.label == "before")
    #expect(try volume.quickCheck().findings == [])
  }

  @Test func surrogatesSurvive() throws {
    let disk = try Self.crafted(
      "add(file('\\U0001F600')); e = bytearray(file('aab')); e[66:70] = pack('<HH', 0x61, 0xd801); add(seal(e))")
    let volume = try ExFATVolume(disk)
    let entries = try volume.entries(of: volume.root, from: 0, limit: 9)
    #expect(entries.map(\.name.bytes) == [Array("😀".utf8), [0x61, 0xed, 0xa0, 0x81, 0x62]])
    for entry in entries { #expect(try volume.lookup(entry.name, in: volume.root) == entry.file) }
  }

  @Test(
    "Sets that contradict the format are errors that name the place",
    arguments: [
      "add(file('name', count=0))", "add(file('name', count=1))", "add(file('name', count=255))",
      "add(file('name', length=16))", "add(file('name', length=255))",
      "add(file('some name', extra=b'\\xc5' + bytes(31)))",
      "add(file('name', size=10, valid=11, first=10))", "add(file('a/b'))", "add(file('..'))",
      "e = bytearray(file('name')); e[32] = 0xc1; add(seal(e))",
      "e = bytearray(file('name')); e[64] = 0xc0; add(seal(e))",
      "e = bytearray(file('name')); e[35] = 0; add(seal(e))", "e = bytearray(file('name')); e[0] = 0x86; add(e)",
      "add(file('name')[32:])", "add(file('name')[:64])", "add(file('name')[:64] + bytes([0x41]) + bytes(31))",
    ])
  func badSets(_ script: String) throws {
    let volume = try ExFATVolume(Self.crafted("add(file('first'))\n" + script))
    let error = try #require(throws: ImageError.self) { try volume.entries(of: volume.root, from: 0, limit: 100) }
    #expect(error.offset != nil && error.detail.contains("director"))
    #expect(try volume.lookup("first", in: volume.root) != nil)
    #expect(try !volume.quickCheck().isSound || script.contains("a/b") || script.contains("'..'"))
  }

  @Test(
    "Files that cannot lie there are errors",
    arguments: [
      "first=1, size=10", "first=0, size=10", "first=100000, size=10", "first=10, size=1 << 40",
      "first=1900, size=cluster * 1000", "first=10, size=10, flags=1", "first=10, size=(1 << 64) - 1",
    ])
  func badStreams(_ fields: String) throws {
    let volume = try ExFATVolume(Self.crafted("add(file('name', \(fields)))\nadd(file('dir', attr=0x10, \(fields)))"))
    let file = try #require(try volume.lookup("name", in: volume.root))
    _ = try volume.attributes(of: file)
    #expect(throws: ImageError.self) {
      let contents = try volume.contents(of: file)
      var bytes: [UInt8] = [0]
      var span = bytes.mutableSpan
      var raw = span.mutableBytes
      try contents.read(at: 0, into: &raw)
    }
    let directory = try #require(try volume.lookup("dir", in: volume.root))
    #expect(throws: ImageError.self) {
      var position: UInt64 = 0
      while let last = try volume.entries(of: directory, from: position, limit: 1).last { position = last.next }
      if fields.contains("flags=1") { throw ImageError(.damaged, format: "exfat", "an empty cluster ends a directory") }
    }
  }
}
