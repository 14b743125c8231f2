import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// Directories that no tool writes: Python builds the root directory of a floppy slot by slot.
@Suite struct CraftedDirectoryTests {
  /// Functions of Python that make slots.
  private static let helpers = """
    import struct
    def short(name, attr=0x20, case=0):
      name = name if isinstance(name, bytes) else name.encode('cp437')
      return name.ljust(11) + bytes([attr, case]) + bytes(19)
    def sum8(name):
      total = 0
      for byte in name.ljust(11): total = ((total >> 1) + ((total & 1) << 7) + byte) & 255
      return total
    def long(text, alias, units=None, count=None, checksum=None):
      units = units if units is not None else list(struct.unpack('<%dH' % (len(text.encode('utf-16-le')) // 2), text.encode('utf-16-le')))
      parts = []
      if len(units) % 13: units = units + [0]
      while len(units) % 13: units.append(0xffff)
      for start in range(0, len(units), 13):
        u = struct.pack('<13H', *units[start:start + 13])
        order = start // 13 + 1
        if start + 13 == len(units): order |= 0x40
        parts.append(bytes([order]) + u[:10] + bytes([15, 0, sum8(alias) if checksum is None else checksum]) + u[10:22] + b'\\0\\0' + u[22:])
      return parts[::-1]
    """

  /// A root directory as a script of Python's makes it, with helpers that follow Microsoft's specification.
  private func names(_ script: String) throws -> [String] {
    let scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 1440K disk; mkfs.fat disk >/dev/null
      python3 - <<'EOF'
      \(Self.helpers)
      slots = []
      \(script)
      data = bytearray(open('disk', 'rb').read())
      root = (1 + 2 * 9) * 512
      data[root:root + 32 * len(slots)] = b''.join(slots)
      open('disk', 'wb').write(data)
      EOF
      """)
    let volume = try FATCase.open(scratch)
    let entries = try volume.entries(of: volume.root, from: 0, limit: 1000)
    for entry in entries {
      let found = try volume.lookup(entry.name, in: volume.root)
      #expect(found == entry.file)
    }
    return entries.map(\.name.description)
  }

  @Test(
    "Names are what the specification makes them",
    arguments: [
      (
        "slots = [short('FOO     BAR'), short('BASE    EXT', case=8), short('BASF    EXT', case=16), short('ALL     LOW', case=24)]",
        ["FOO.BAR", "base.EXT", "BASF.ext", "all.low"]
      ),
      (
        "slots = [short(b'\\x05BC     \\xe5\\x81 '), short('ÄÖÜ     É', case=24), short('NODOT')]",
        ["σBC.σü", "äöü.é", "NODOT"]
      ),
      ("slots = long('\\U0001F600 smile', b'SMILE   ') + [short('SMILE')]", ["😀 smile"]),
      (
        "slots = long('', b'LONE    ', units=[0x61, 0xd800, 0x62, 0xdc00]) + [short('LONE')]",
        ["a\\xed\\xa0\\x80b\\xed\\xb0\\x80"]
      ),
      (
        "slots = long('thirteen char', b'T13     ') + [short('T13')] + long('x' * 255, b'X255    ') + [short('X255')]",
        ["thirteen char", String(repeating: "x", count: 255)]
      ),
      // Deleted entries, a label, and what lies behind the end.
      (
        "slots = [short('A'), short(b'\\xe5LD'), short('LABEL', attr=8), short('B'), bytes(32), short('C')]",
        ["A", "B"]
      ),
      // Parts of long names that belong to nothing: a wrong sum, parts missing at either end, out of order, interrupted.
      ("slots = long('wrong sum', b'OTHER   ') + [short('SHORT')]", ["SHORT"]),
      ("slots = long('a name in two parts', b'TWO     ')[:1] + [short('TWO')]", ["TWO"]),
      ("slots = long('a name in two parts', b'TWO     ')[1:] + [short('TWO')]", ["TWO"]),
      ("slots = long('a name in two parts', b'TWO     ')[::-1] + [short('TWO')]", ["TWO"]),
      ("l = long('a name in two parts', b'TWO     '); slots = [l[0], short(b'\\xe5X'), l[1], short('TWO')]", ["TWO"]),
      ("slots = long('orphan', b'TWO     ') + long('the right one', b'TWO     ') + [short('TWO')]", ["the right one"]),
      ("slots = long('one', b'ONE     ') + [short('ONE'), short('TWO')]", ["one", "TWO"]),
      ("slots = long('one', b'ONE     ') + [short('LABEL', attr=8), short('ONE')]", ["ONE"]),
      ("l = long('one', b'ONE     '); l[0] = bytes([0x55]) + l[0][1:]; slots = l + [short('ONE')]", ["ONE"]),
      ("l = long('one', b'ONE     '); l[0] = bytes([0x40]) + l[0][1:]; slots = l + [short('ONE')]", ["ONE"]),
      // A long name that no name can be gives way to the short one.
      (
        "slots = long('../../etc/passwd', b'PASSWD  ') + [short('PASSWD')] + long('..', b'DOTS    ') + [short('DOTS')]",
        ["PASSWD", "DOTS"]
      ),
      ("slots = [short('.', attr=16), short('..', attr=16), short('X')]", ["X"]),
    ] as [(String, [String])])
  func crafted(_ script: String, _ expected: [String]) throws {
    #expect(try names(script) == expected)
  }

  @Test func anEntryWithoutAnyNameIsDamage() throws {
    #expect(throws: ImageError.self) { try names("slots = [short('A/B')]") }
    #expect(throws: ImageError.self) { try names("slots = [short(' ')]") }
  }
}
