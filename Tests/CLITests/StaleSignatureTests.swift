import Support
import Testing

/// Signatures that a restore leaves in unused space: all are wiped and listed, so that blkid(8) is of one mind.
@Suite(
  .serialized, .timeLimit(.minutes(4)), .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct StaleSignatureTests {
  let scratch: Scratch

  /// `low` is a Btrfs without the 64 KiB before its superblock, which it does not use, `high` a NTFS, both of 64 MiB.
  init() throws {
    scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 64M btrfs ntfs; mkfs.btrfs -q -M btrfs > log; mkfs.ntfs -q -Q -F ntfs > log 2>&1
      partclone.btrfs -q -a 0 -c -s btrfs -O whole -L log > said 2>&1; partclone.ntfs -q -c -s ntfs -O high -L log > said 2>&1
      python3 - <<'PYTHON'
      import struct, zlib
      image = bytearray(open("whole", "rb").read())
      total, = struct.unpack_from("<Q", image, 60)
      used, = struct.unpack_from("<Q", image, 76)
      size, = struct.unpack_from("<I", image, 84)
      start = 110 + (total + 7) // 8
      bits, data = image[110:start], image[start + 4:]
      gone = sum(bits[n // 8] >> n % 8 & 1 for n in range(65536 // size))
      for n in range(65536 // size): bits[n // 8] &= ~(1 << n % 8)
      struct.pack_into("<QQ", image, 68, used - gone, used - gone)
      struct.pack_into("<I", image, 106, zlib.crc32(image[:106]) ^ 0xFFFFFFFF)
      sum = struct.pack("<I", zlib.crc32(bits) ^ 0xFFFFFFFF)
      open("low", "wb").write(image[:110] + bits + sum + data[gone * size:])
      PYTHON
      truncate -s 64M disk
      """)
  }

  /// Restores over what `script` makes of `disk`, a volume of `type`.
  private func restore(_ image: String, over type: String, _ script: String) throws {
    let loop = try scratch.shell("losetup --find --show disk").output.split(separator: "\n")[0]
    defer { _ = try? run(["losetup", "-d", "\(loop)"]) }
    let own = image == "low" ? "btrfs" : "ntfs"
    let signatures = "wipefs --noheadings --output TYPE \(loop) | sort -u"
    for keeps in [true, false] {
      try scratch.shell(
        "rm -f i; fallocate -p -o 0 -l 64M disk; { \(script)\n} > log 2>&1; blockdev --flushbufs \(loop)")
      try #require(try scratch.shell("blkid -p -s TYPE -o value \(loop)").output == type + "\n", "\(script)")
      let ran = try scratch.shell(
        "'\(Machine.binaries)/restore' --yes --progress none \(keeps ? "--keep-signatures" : "") \(image) \(loop)")
      #expect(ran.error.contains("wiped the stale signature of \(type) ") != keeps, "\(script): \(ran.text)")
      try scratch.shell("blockdev --flushbufs \(loop)")
      // The mark at the end of a boot sector is NTFS's own.
      let found = try scratch.shell(signatures).output.split(whereSeparator: \.isWhitespace).filter { $0 != "dos" }
      #expect(found.map { "\($0)" } == (keeps ? [own, type].sorted() : [own]), "\(script): \(ran.text)")
      if !keeps {
        let blkid = try scratch.shell("blkid -p -s TYPE -o value \(loop)", expecting: nil)
        #expect(blkid.status == 0 && blkid.output == own + "\n", "\(script): \(blkid.text)")
      }
    }
  }

  @Test(arguments: [
    ("swap", "mkswap disk"), ("ext4", "mke2fs -F -t ext4 disk"), ("vfat", "mkfs.vfat disk"),
    ("exfat", "mkfs.exfat disk"),
    ("crypto_LUKS", "cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 disk /etc/hostname"),
    (
      "crypto_LUKS",
      "cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 disk /etc/hostname"
    ),
    ("f2fs", "mkfs.f2fs -f disk"), ("jfs", "mkfs.jfs -q disk"), ("bcache", "make-bcache -B disk"),
    ("ntfs", "mkfs.ntfs -qQF disk"), ("squashfs", "mksquashfs /etc/apt i; dd if=i of=disk conv=notrunc"),
    ("iso9660", "genisoimage -quiet -o i /etc/apt; dd if=i of=disk conv=notrunc"),
  ]) func ofTools(_ type: String, _ script: String) throws { try restore("low", over: type, script) }

  @Test(arguments: [("btrfs", "mkfs.btrfs -q -M disk"), ("reiserfs", "mkfs.reiserfs -qff disk")])
  func behindTheStart(_ type: String, _ script: String) throws { try restore("high", over: type, script) }

  /// But for BitLocker, the half of whose mark is where the Btrfs has its own.
  @Test(arguments: CraftedSuperblock.all.filter { $0.type != "BitLocker" })
  func crafted(_ superblock: CraftedSuperblock) throws {
    try restore("low", over: superblock.type, superblock.shell)
  }
}
