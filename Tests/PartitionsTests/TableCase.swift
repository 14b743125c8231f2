import Support

/// A disk that a script makes with a real tool; `$disk` names it.
struct TableCase: Sendable, CustomStringConvertible {
  let name: String
  var sectorSize = 512
  var size = "64M"
  let script: String

  var description: String { "\(name) (\(sectorSize))" }

  init(_ name: String, size: String = "64M", _ script: String) {
    self.name = name
    self.size = size
    self.script = script
  }

  /// The same case on a disk of sectors of 4096 bytes.
  var onLargeSectors: TableCase {
    var other = self
    other.sectorSize = 4096
    return other
  }

  /// Makes the disk, runs `more` on it while it has its sector size, and returns what that printed.
  func make(in scratch: Scratch, then more: String = "") throws -> String {
    let attach =
      sectorSize == 512
      ? "disk=disk"
      : "disk=$(losetup --find --show --sector-size \(sectorSize) disk); trap 'blockdev --flushbufs $disk; losetup -d $disk' EXIT"
    // parted itself dies of a wild pointer now and then, on disks of 4096-byte sectors.
    let again = "parted() { command parted \"$@\" || { [ $? = 139 ] && command parted \"$@\"; }; }"
    let script = "\(again)\ntruncate -s \(size) disk; \(attach)\n{ \(script)\n} >/dev/null 2>&1\n\(more)"
    return try scratch.shell(script).output
  }
}

extension TableCase {
  /// A table written by sfdisk from its own language.
  static func sfdisk(_ name: String, size: String = "64M", _ lines: String...) -> TableCase {
    TableCase(name, size: size, "sfdisk --no-reread \"$disk\" <<'EOF'\n\(lines.joined(separator: "\n"))\nEOF")
  }

  /// The type bytes and GUIDs of the tables of types, a few on each disk.
  static let types: [TableCase] = {
    let bytes = [
      "1 4 6 7", "b c e 11", "12 1b 27 39", "82 83 8e a5", "a6 a8 af be", "da ef fb fd", "2 3f 77 d0",
    ].map { codes in
      TableCase.sfdisk(
        "MBR types \(codes)", "label: dos\n" + codes.split(separator: " ").map { ",1M,\($0)" }.joined(separator: "\n"))
    }
    let guids = (0..<4).map { part in
      TableCase(
        "GPT types \(part)",
        """
        { echo 'label: gpt'; sfdisk -X gpt -T | sed 1,2d | awk 'NR % 4 == \(part) {print "size=8,type=" $1}'; } |
          sed '/^$/d' | sfdisk --no-reread "$disk"
        """)
    }
    return bytes + guids
  }()

  static let master: [TableCase] = [
    .sfdisk("MBR one", "label: dos\n,1M,83,*"),
    .sfdisk("MBR one to the end", "label: dos\n,,83"),
    .sfdisk("MBR four", "label: dos\n,1M,83\n,2M,82\n,3M,c,*\n,,7"),
    .sfdisk("MBR gapped numbers", "label: dos\n2 : size=1M\n4 : size=1M"),
    .sfdisk("MBR unordered", "label: dos\n1 : start=40960,size=2048\n2 : start=2048,size=2048"),
    .sfdisk("MBR no identifier", "label: dos\nlabel-id: 0x0\n,1M\n,1M"),
    .sfdisk("MBR identifier of ones", "label: dos\nlabel-id: 0xffffffff\n,1M"),
    .sfdisk("MBR first sector", "label: dos\nstart=1,size=10"),
    .sfdisk("MBR two active", "label: dos\n,1M,83,*\n,1M,83,*"),
    .sfdisk("MBR 1 TiB", size: "1T", "label: dos\n,500G\n,,"),
    .sfdisk("logical one", "label: dos\n,1M\n,,5\n,1M"),
    .sfdisk("logical in f", "label: dos\n,1M\n,,f\n,1M\n,2M,82\n,3M,8e"),
    .sfdisk("logical in 85", "label: dos\n,,85\n,1M\n,1M"),
    .sfdisk("logical, extended first", "label: dos\n,30M,5\n,1M\n,1M\n4 : start=100000,size=100"),
    .sfdisk("extended, empty", "label: dos\n,1M\n,,5"),
    TableCase(
      "logical fifty", size: "256M",
      "{ echo 'label: dos'; echo ',,5'; for i in {1..50}; do echo ',512K'; done; } | sfdisk --no-reread \"$disk\""),
    TableCase(
      "logical one deleted",
      """
      printf 'label: dos\\n,,5\\n,1M\\n,1M\\n,1M\\n,1M\\n' | sfdisk --no-reread "$disk"
      sfdisk --no-reread --delete "$disk" 6
      """),
    TableCase(
      "logical deleted and filled",
      """
      printf 'label: dos\\n,,5\\n,1M\\n,1M\\n,1M\\n,1M\\n' | sfdisk --no-reread "$disk"
      sfdisk --no-reread --delete "$disk" 5
      echo 'start=4096,size=1024' | sfdisk --no-reread --append "$disk"
      """),
  ]

  static let guid: [TableCase] = [
    .sfdisk("GPT one", "label: gpt\n,1M,L"),
    .sfdisk("GPT four", "label: gpt\n,1M,U\n,2M,S\n,3M,L\n,,H"),
    .sfdisk("GPT gapped numbers", "label: gpt\n3 : size=1M\n17 : size=1M\n128 : size=1M"),
    .sfdisk("GPT unordered", "label: gpt\n1 : start=40960,size=2048\n2 : start=4096,size=2048\n5 : start=8192,size=8"),
    .sfdisk("GPT four entries", "label: gpt\ntable-length: 4\n,1M\n,1M"),
    .sfdisk("GPT 32 entries", "label: gpt\ntable-length: 32\n,1M\n,1M"),
    .sfdisk("GPT 1000 entries", "label: gpt\ntable-length: 1000\n,1M\n900 : size=1M"),
    .sfdisk("GPT identifier", "label: gpt\nlabel-id: 01234567-89AB-CDEF-0123-456789ABCDEF\n,1M"),
    .sfdisk("GPT names", "label: gpt\nsize=1M,name=\"EFI System Partition\"\nsize=1M,name=\"Größe 日本 🙂\""),
    .sfdisk("GPT longest name", "label: gpt\nsize=1M,name=\"abcdefghijklmnopqrstuvwxyz0123456789\""),
    .sfdisk(
      "GPT attributes", "label: gpt",
      "size=1M,attrs=\"RequiredPartition\"", "size=1M,attrs=\"NoBlockIOProtocol LegacyBIOSBootable\"",
      "size=1M,attrs=\"GUID:48,63\"", "size=1M,attrs=\"RequiredPartition GUID:60\""),
    .sfdisk("GPT 3 TiB", size: "3T", "label: gpt\n,1T\n,,"),
    TableCase(
      "GPT 128", size: "512M",
      "{ echo 'label: gpt'; for i in {1..128}; do echo ',64K'; done; } | sfdisk --no-reread \"$disk\""),
    TableCase("sgdisk plain", "sgdisk -og -n 1:0:+1M -n 2:0:+2M -t 2:8200 \"$disk\""),
    TableCase("sgdisk 256 entries", "sgdisk -og -S 256 -n 200:0:+1M -n 1:0:0 \"$disk\""),
    TableCase("sgdisk numbers swapped", "sgdisk -og -n 1:0:+1M -n 2:0:+2M -r 1:2 \"$disk\""),
    TableCase("sgdisk attributes", "sgdisk -og -n 1:0:+1M -A 1:set:0 -A 1:set:2 -A 1:set:62 \"$disk\""),
    TableCase("sgdisk names", "sgdisk -og -n 1:0:+1M -c '1:boot loader' -n 3:0:+1M -c 3:root -u 3:R \"$disk\""),
    TableCase("sgdisk unaligned", "sgdisk -og -a 1 -n 1:100:200 -n 2:300:301 \"$disk\""),
    TableCase("sgdisk entries moved", "sgdisk -og -j 100 -n 1:0:+1M \"$disk\""),
    TableCase("sgdisk hybrid", "sgdisk -og -n 1:0:+1M -n 2:0:+1M -n 3:0:+1M \"$disk\"; sgdisk -h 1:2 \"$disk\""),
    TableCase(
      "sgdisk hybrid, protection last",
      "sgdisk -og -n 1:0:+1M -n 2:0:+1M \"$disk\"; sgdisk -h 2:1:EE \"$disk\" || sgdisk -h 2 \"$disk\""),
  ]

  static let parted: [TableCase] = [
    TableCase("parted gpt", "parted -s \"$disk\" mklabel gpt mkpart a ext4 1MiB 5MiB mkpart b fat32 5MiB 9MiB"),
    TableCase(
      "parted gpt flags",
      "parted -s \"$disk\" mklabel gpt mkpart a 1MiB 5MiB set 1 esp on mkpart b 5MiB 9MiB set 2 lvm on"),
    TableCase(
      "parted gpt hidden", "parted -s \"$disk\" mklabel gpt mkpart a 1MiB 5MiB set 1 hidden on set 1 legacy_boot on"),
    TableCase("parted msdos", "parted -s \"$disk\" mklabel msdos mkpart primary ext4 1MiB 5MiB set 1 boot on"),
    TableCase(
      "parted msdos types",
      "parted -s \"$disk\" mklabel msdos mkpart primary ntfs 1MiB 5MiB mkpart primary linux-swap 5MiB 9MiB"),
    TableCase(
      "parted logical",
      "parted -s \"$disk\" mklabel msdos mkpart extended 1MiB 60MiB mkpart logical 2MiB 9MiB mkpart logical ext4 10MiB 19MiB"
    ),
    TableCase(
      "parted logical in reverse",
      "parted -s \"$disk\" mklabel msdos mkpart extended 1MiB 60MiB mkpart logical 20MiB 29MiB mkpart logical ext4 3MiB 9MiB"
    ),
  ]

  /// Those that mean the same on a disk of sectors of 4096 bytes.
  static let large: [TableCase] = (guid + parted + master)
    .filter { !["GPT 128", "GPT 1000 entries", "sgdisk entries moved", "logical, extended first"].contains($0.name) }
    .filter { !$0.name.contains("unordered") && !$0.name.contains("fifty") && !$0.name.contains("filled") }
    .map(\.onLargeSectors)

  static let all = types + master + guid + parted + (Machine.hasLoopDevices ? large : [])
}
