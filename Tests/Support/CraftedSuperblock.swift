/// A volume that no tool makes here, as blkid(8) calls it, and how its superblock is written.
package struct CraftedSuperblock: Sendable, CustomStringConvertible {
  package let type: String
  private let script: String

  private init(_ type: String, _ script: String) {
    self.type = type
    self.script = script
  }

  package var description: String { script }

  /// A shell's script that writes it to `disk`.
  package var shell: String { "python3 - <<'EOF'\n\(Self.python)\(script)\ndisk.close()\nEOF" }

  /// What a script of Python writes into `disk`, which has 64 MiB.
  package static let all: [CraftedSuperblock] = [
    CraftedSuperblock("linux_raid_member", "md1(0, 1.1)"), CraftedSuperblock("linux_raid_member", "md1(4096, 1.2)"),
    CraftedSuperblock("linux_raid_member", "md1(((size >> 9) - 16) // 8 * 8 * 512, 1.0)"),
    CraftedSuperblock("linux_raid_member", "md0('<')"), CraftedSuperblock("linux_raid_member", "md0('>')"),
    CraftedSuperblock(
      "apfs", "put(24, pack('<HHI', 1, 0x8000, 0)); put(32, b'NXSB' + pack('<I', 4096)); put(72, ident)"),
    CraftedSuperblock(
      "BitLocker",
      "put(0, b'\\xeb\\x58\\x90-FVE-FS-'); put(160, fve); put(176, pack('<Q', 65536)); "
        + "put(65536, b'-FVE-FS-' + pack('<HH', 64, 2))"
    ),
    CraftedSuperblock("zfs_member", "zfs()"),
    CraftedSuperblock("swap", "put(1024, pack('>III', 1, 16383, 0) + ident + b'label'); put(4086, b'SWAPSPACE2')"),
    CraftedSuperblock("swap", "put(4086, b'SWAP-SPACE')"),
    CraftedSuperblock(
      "hfsplus", "put(1024, b'H+' + pack('>H', 4)); put(1064, pack('>I', 4096)); put(1128, ident[:8]); hfs()"),
    CraftedSuperblock("LVM2_member", "lvm()"),
  ]

  private static let python = """
    import struct, zlib
    from struct import pack
    size = 64 << 20
    disk = open('disk', 'r+b')
    ident = bytes(range(17, 33))
    fve = bytes.fromhex('3bd66749292ed84a8399f6a339e3d001')
    def put(at, data):
      disk.seek(at); disk.write(data)
    def md1(at, version):
      sb = bytearray(1024)
      sb[0:8] = pack('<II', 0xa92b4efc, 1)
      sb[16:32] = ident; sb[32:40] = b'host:arr'; sb[144:152] = pack('<Q', at // 512); sb[168:184] = ident[::-1]
      words = struct.unpack('<64I', bytes(sb[:256])); total = sum(words)
      sb[216:220] = pack('<I', ((total & 0xffffffff) + (total >> 32)) & 0xffffffff)
      put(at, bytes(sb))
    def md0(order):
      sb = bytearray(4096)
      sb[0:24] = pack(order + '6I', 0xa92b4efc, 0, 90, 3, 0, 0x11223344)
      sb[52:64] = pack(order + '3I', 0x55667788, 0x99aabbcc, 0xddeeff00)
      words = struct.unpack(order + '1024I', bytes(sb)); total = sum(words)
      sb[152:156] = pack(order + 'I', ((total & 0xffffffff) + (total >> 32)) & 0xffffffff)
      put((size & ~65535) - 65536, bytes(sb))
    def pair(name, kind, value):
      name = name.encode(); body = pack('>I', len(name)) + name + b'\\0' * (-len(name) % 4) + pack('>II', kind, 1) + value
      return pack('>II', len(body) + 8, len(body) + 8) + body
    def text(value):
      return pack('>I', len(value)) + value + b'\\0' * (-len(value) % 4)
    def zfs():
      pairs = pair('version', 8, pack('>Q', 5000)) + pair('name', 9, text(b'tank')) + pair('pool_guid', 8, pack('>Q', 123456789)) + pair('guid', 8, pack('>Q', 987))
      for label in (0, 256 << 10, size - (512 << 10), size - (256 << 10)):
        put(label + (16 << 10), bytes([1, 1, 0, 0]) + pack('>II', 0, 1) + pairs + pack('>II', 0, 0))
        for slot in range(4): put(label + (128 << 10) + 1024 * slot, pack('<QQ', 0x00bab10c, 5000))
    def hfs():
      put(1024 + 288, pack('>II', 16, 64))
      put(65536, pack('>IIBBHH', 1, 0, 1, 0, 3, 0) + pack('>HIIII', 1, 1, 2, 1, 1) + pack('>H', 4096))
      name = 'Mac HD'
      put(65536 + 4096, pack('>IIBBHH', 0, 0, 255, 1, 1, 0) + pack('>HIH', 18, 1, len(name)) + name.encode('utf-16-be'))
    def lvm():
      label = b'LABELONE' + pack('<Q', 1); rest = pack('<I', 32) + b'LVM2 001' + b'abcdefABCDEF0123456789ghijklmnop'
      rest += bytes(512 - 20 - len(rest))
      crc = zlib.crc32(rest, 0xf597a6cf ^ 0xffffffff) ^ 0xffffffff
      put(512, label + pack('<I', crc) + rest)

    """
}
