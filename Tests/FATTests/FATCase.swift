import BlockIO
import Filesystems
import Support
import SystemPackage

@testable import FAT

/// A volume that mkfs.fat makes and mtools fill.
struct FATCase: Sendable, CustomStringConvertible {
  let options: String
  let size: String
  /// The bits of a table's entry that it must have.
  let bits: UInt8
  /// How much to fill it with.
  let fill: Fill

  enum Fill: String, Sendable { case none, small, full }

  var description: String { "\(options) \(size)" }

  init(_ bits: UInt8, _ options: String, _ size: String, _ fill: Fill = .small) {
    (self.bits, self.options, self.size, self.fill) = (bits, options, size, fill)
  }

  static let all: [FATCase] = [
    FATCase(12, "-F 12", "1440K"), FATCase(12, "-F 12 -f 1", "720K", .none), FATCase(12, "", "2880K"),
    FATCase(12, "-F 12 -S 1024", "4M"), FATCase(12, "-F 12 -S 4096 -s 2", "16M"), FATCase(12, "-F 12 -s 128", "64M"),
    FATCase(12, "-F 12 -n FLOPPY -i 00000001 -r 512", "2M"),
    FATCase(16, "-F 16", "32M", .full), FATCase(16, "-F 16 -f 1 -s 1", "8M"), FATCase(16, "-F 16 -S 2048 -s 1", "32M"),
    FATCase(16, "-F 16 -S 4096 -s 1 -n 'A LABEL'", "64M"), FATCase(16, "-F 16 -s 16 -r 1024 -R 9", "64M", .full),
    FATCase(28, "-F 32 -s 1", "40M", .full), FATCase(28, "-F 32 -s 8 -n data -i DEADBEEF", "300M", .full),
    FATCase(28, "-F 32 -S 4096 -s 1", "300M"), FATCase(28, "-F 32 -S 1024 -s 2 -f 1", "200M"),
    FATCase(28, "-F 32 -R 64 -f 2", "70M"), FATCase(28, "-F 32 -s 128", "5G", .none), FATCase(28, "-F 32 -s 64", "3G"),
    FATCase(28, "-F 32 -s 1 -h 2048 -g 64/32", "33M", .none), FATCase(28, "-F 32 -S 2048 -b 12", "200M"),
  ]

  /// What mtools and Python need to agree with us: UTF-8, UTC, code page 437.
  static let environment = """
    export LC_ALL=C.UTF-8 TZ=UTC MTOOLSRC=$PWD/mtoolsrc
    [ -e mtoolsrc ] || printf 'mtools_skip_check=1\\ndefault_codepage=437\\n' >mtoolsrc

    """

  /// Makes the folder `src` with names and sizes of all sorts.
  static let source = """
    python3 - <<'EOF'
    import os, random
    random.seed(5)
    def put(path, size, time):
      os.makedirs(os.path.dirname('src/' + path) or '.', exist_ok=True)
      with open('src/' + path, 'wb') as f: f.write(random.randbytes(size))
      os.utime('src/' + path, (time, time))
    os.makedirs('src')
    sizes = [0, 1, 511, 512, 513, 2047, 2048, 4096, 4097, 8191, 20000, 65536, 70001]
    for i, size in enumerate(sizes): put('SIZE%d.BIN' % i, size, 1000000000 + 86400 * 37 * i + 2 * i)
    put('lower.txt', 10, 315532800)
    put('MIXED.txt', 11, 1709164800)
    put('small.TXT', 12, 1709208000)
    put('NOEXT', 13, 951782400)
    put('A long name with spaces and more.text', 600, 1234567890)
    put('exactly13char', 5, 1234567892)
    put('twenty-six characters name', 5, 1234567894)
    put('.hidden', 5, 1234567896)
    put('two..dots.tar.gz', 5, 1234567898)
    put('x' * 255, 5, 1234567900)
    put('y' * 250 + '.text', 5, 1234567902)
    put('Größe.txt', 700, 1234567904)
    put('Ελληνικά και русский.doc', 5, 1234567906)
    put('日本語のファイル名', 5, 1234567908)
    put('ÉÈ.TXT', 5, 1234567910)
    put("quote's + [brackets]; x=1, y", 5, 1234567912)
    put('Directory/Below it/deeper still/leaf.dat', 3000, 1234567914)
    put('DIR/SUB/LEAF', 3000, 1234567916)
    for i in range(60): put('many/file number %d.bin' % i, i * 11, 1300000000 + 2 * i)
    EOF

    """

  /// Fragments free space and fills it: every second of many small files goes, then large ones come.
  static let fragments = """
    mkdir part; for i in {100..199}; do head -c 3000 /dev/urandom >part/f$i.bin; done
    mmd -i disk ::part; mcopy -i disk -m part/* ::part
    mdel -i disk '::part/*[02468].bin'
    head -c 900000 /dev/urandom >large1; head -c 400000 /dev/urandom >large2
    touch -d '2011-11-11 11:11:10' large1 large2
    mcopy -i disk -m large1 ::; mcopy -i disk -m large2 ::part

    """

  /// Makes the volume as `disk` and fills it.
  func make(in scratch: Scratch) throws {
    var script = Self.environment + "truncate -s \(size) disk; mkfs.fat \(options) disk >/dev/null 2>&1\n"
    if fill != .none { script += Self.source }
    // mtools cannot add an entry that needs more than one more cluster.
    if bits == 28, !options.contains("-S"), !options.contains("-s ") || options.contains("-s 1") {
      script += "rm -f src/xxx* src/yyy*\n"
    }
    if fill != .none { script += "mcopy -i disk -s -m -Q src/* src/.hidden ::\n" }
    if fill == .full { script += Self.fragments }
    try scratch.shell(script)
  }

  /// The volume's files as mtools copy them out.
  static func oracle(_ scratch: Scratch) throws -> [String: String] {
    try scratch.shell(environment + "mkdir out; mcopy -i disk -s -m -n -Q :: out 2>/dev/null || true")
    return try FileTree.read(folder: scratch.path + "/out")
  }

  /// Opens `disk`.
  static func open(_ scratch: Scratch) throws -> FATVolume {
    try FATVolume(FileSource(FilePath(scratch.path + "/disk")))
  }
}
