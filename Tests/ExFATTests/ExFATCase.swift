import BlockIO
import Filesystems
import Support
import SystemPackage

@testable import ExFAT

/// A volume that mkfs.exfat makes and exfat-fuse fills.
struct ExFATCase: Sendable, CustomStringConvertible {
  let options: String
  var size = "64M"
  var sectorSize = 512

  var description: String { "\(options) \(size) (\(sectorSize))" }

  static let all: [ExFATCase] =
    [
      ExFATCase(options: ""), ExFATCase(options: "-c 512", size: "16M"), ExFATCase(options: "-c 4K -L label"),
      ExFATCase(options: "-c 128K -L 'Größe é'", size: "256M"),
      ExFATCase(options: "-c 32K --pack-bitmap", size: "128M"),
      ExFATCase(options: "-c 1M", size: "1G"),
    ]
    + (Machine.hasLoopDevices
      ? [
        ExFATCase(options: "-c 4K -L large", size: "64M", sectorSize: 4096),
        ExFATCase(options: "-c 64K", size: "256M", sectorSize: 4096),
        ExFATCase(options: "-c 2K", size: "64M", sectorSize: 2048),
      ] : [])

  /// Whether exfat-fuse can be used.
  static let hasFUSE = ExFATFUSE.isUsable

  /// What mounts `disk` on `mnt`, and unmounts it.
  static let mounting = ExFATFUSE.mounting

  /// Fills `mnt` with names and sizes of all sorts, some files in pieces, some deleted.
  static let fill = """
    cd mnt
    python3 - <<'EOF'
    import os, random
    random.seed(7)
    def put(path, size, time):
      if os.path.dirname(path): os.makedirs(os.path.dirname(path), exist_ok=True)
      with open(path, 'wb') as f: f.write(random.randbytes(size))
      os.utime(path, (time, time))
    sizes = [0, 1, 511, 512, 513, 4095, 4096, 4097, 32768, 65537, 131072, 300001]
    for i, size in enumerate(sizes): put('size%d.bin' % i, size, 1000000000 + 86400 * 37 * i + 2 * i)
    put('x' * 255, 5, 1234567900)
    put('fifteen-letters', 5, 1234567902)
    put('thirty letters are in this one', 5, 1234567902)
    put('Größe.txt', 700, 1234567904)
    put('Ελληνικά και русский.doc', 5, 1234567906)
    put('日本語のファイル名', 5, 1234567908)
    put('astral \\U0001F600 and \\U00020BB7', 5, 1234567908)
    put('Directory/Below it/deeper still/leaf.dat', 3000, 1234567914)
    os.makedirs('empty directory')
    for i in range(150): put('many/file number %d.bin' % i, i * 11, 1300000000 + 2 * i)
    files = [open('pieces%d' % i, 'wb') for i in range(3)]
    for round in range(12):
      for i, f in enumerate(files):
        f.write(random.randbytes(30000 + 100 * i)); f.flush()
    for f in files: f.close()
    for i in range(0, 150, 3): os.remove('many/file number %d.bin' % i)
    for i in range(40): put('many/later %d' % i, 900 * i, 1400000000 + 2 * i)
    put('in the gaps', 400000, 1500000000)
    os.rename('size3.bin', 'many/size3 moved away.bin')
    EOF
    cd ..

    """

  /// Makes the volume as `disk`.
  func make(in scratch: Scratch) throws {
    let attach =
      sectorSize == 512
      ? "node=disk"
      : "node=$(losetup --find --show --sector-size \(sectorSize) disk); trap 'losetup -d $node' EXIT"
    try scratch.shell("truncate -s \(size) disk; \(attach); mkfs.exfat \(options) $node >/dev/null")
  }

  /// Opens `disk`.
  static func open(_ scratch: Scratch) throws -> ExFATVolume {
    try ExFATVolume(FileSource(FilePath(scratch.path + "/disk")))
  }
}
