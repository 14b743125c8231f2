import BlockIO
import Bytes
import Filesystems
import Support
import SystemPackage
import Testing

@testable import Ext

@Suite struct JournalWriterTests {
  /// Blocks that no file has, some of which begin like a journal's own.
  private static func contents(_ block: UInt64, byteCount: Int) -> [UInt8] {
    var bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: block), count: byteCount)
    bytes.put(bigEndian: block, at: byteCount / 2)
    if block % 3 == 0 { bytes.replaceSubrange(0..<4, with: [0xc0, 0x3b, 0x39, 0x98]) }
    return bytes
  }

  private static let homes: [UInt64] = Array(5000..<5300) + [6001, 6005, 9999]

  /// Makes a volume whose journal is as `open` says, and a log in it that counts.
  private func make(_ scratch: Scratch, _ options: String, _ open: String) throws {
    try scratch.shell("truncate -s 64M disk; mke2fs -q -F \(options) disk")
    if open == "mount" {
      let mount = try Mount(scratch, options: "rw")
      _ = try withExtendedLifetime(mount) { try scratch.shell("touch disk.mounted/file") }
    } else if !open.isEmpty {
      try scratch.shell(
        """
        head -c 8192 /dev/urandom > data
        printf '%s\\n' '\(open)' 'jw -b 5000 data' jc | debugfs -w disk -f - >/dev/null 2>&1
        e2fsck -fy disk >/dev/null || test $? -le 2
        """)
    }
    let store = try FileStore(scratch.file("disk"))
    try mark(store)
    let volume = try ExtVolume(store)
    #expect(volume.blocks.superblock.incompatible.contains(.needsRecovery))
    let log = try JournalLog(of: volume.blocks)
    let writer = try JournalWriter(log, store)
    #expect(writer.capacity > Self.homes.count)
    let size = volume.blocks.blockSize
    try writer.write(Self.homes, at: Timestamp(seconds: 1_900_000_000)) { Self.contents($0, byteCount: size) }
    try writer.point(toLog: true)
  }

  private func mark(_ store: FileStore) throws {
    var bytes = try block(0, of: store, size: 4096)
    SuperblockMark.set(in: &bytes, at: 1024, needsRecovery: true)
    try store.write(bytes.raw, at: 0)
  }

  private func block(_ number: UInt64, of source: any BlockSource, size: Int) throws -> [UInt8] {
    var buffer = Buffer(zeroes: size)
    var span = buffer.mutablePrefix(size)
    try source.read(at: number * UInt64(size), into: &span)
    return buffer.prefix(size).array
  }

  private func expectHomes(in file: String, _ scratch: Scratch, _ comment: Comment) throws {
    let volume = try ExtVolume(FileSource(FilePath(scratch.file(file))))
    let size = volume.blocks.blockSize
    var wrong: [UInt64] = []
    for home in Self.homes {
      let found = try block(home, of: volume.blocks.source, size: size)
      if found != Self.contents(home, byteCount: size) { wrong.append(home) }
    }
    #expect(wrong == [], comment)
  }

  @Test(
    "A log is recovered by e2fsck, the kernel and ourselves", .enabled(if: Machine.hasLoopDevices),
    arguments: ["-t ext4", "-t ext4 -O ^metadata_csum", "-t ext3 -b 1024", "-t ext4 -O ^64bit -b 1024"],
    ["", "mount", "jo -c -v 1", "jo -c -v 2", "jo -c -v 3"])
  func recovered(_ options: String, _ open: String) throws {
    let scratch = try Scratch()
    try make(scratch, options, open)
    try expectHomes(in: "disk", scratch, "replayed in memory")
    try scratch.shell("cp disk checked; cp disk mounted; cp disk ours")
    let log = try scratch.shell("e2fsck -fy checked", expecting: nil)
    #expect(log.status <= 1 && !log.text.contains("orrupt"), "\(log.text)")
    try expectHomes(in: "checked", scratch, "by e2fsck")
    let mount = try Mount(scratch, "mounted", options: "rw")
    _ = try withExtendedLifetime(mount) { try scratch.shell("umount mounted.mounted") }
    try expectHomes(in: "mounted", scratch, "by the kernel")
    let store = try FileStore(scratch.file("ours"))
    try JournalRecovery(of: store, ExtVolume(store).blocks.superblock).run()
    let size = try ExtVolume(store).blocks.blockSize
    for home in [Self.homes[0], Self.homes[1], 9999] {
      let isSame = try block(home, of: store, size: size) == Self.contents(home, byteCount: size)
      #expect(isSame)
    }
    let again = try scratch.shell("e2fsck -fy ours", expecting: nil)
    #expect(again.status <= 1, "\(again.text)")
    try expectHomes(in: "ours", scratch, "by ourselves")
  }
}
