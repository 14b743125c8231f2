import BlockIO
import Filesystems
import Support
import Testing

@testable import ExFAT

@Suite(.serialized) struct ExFATVolumeTests {
  @Test("Files are what exfat-fuse reads", .enabled(if: ExFATCase.hasFUSE), arguments: ExFATCase.all)
  func files(_ test: ExFATCase) throws {
    let scratch = try Scratch()
    try test.make(in: scratch)
    try scratch.shell(ExFATCase.mounting + "mount_it\n" + ExFATCase.fill + "unmount_it\n")
    // Copied out by a mount of its own, so that nothing comes from a cache.
    try scratch.shell(ExFATCase.mounting + "mount_it -o ro; cp -a mnt out; unmount_it")
    let expected = try FileTree.read(folder: scratch.path + "/out")
    let volume = try ExFATCase.open(scratch)
    #expect(volume.warnings == [])
    #expect(expected.count > 160)
    let pieces = try #require(try volume.lookup("pieces0", in: volume.root))
    #expect(try !volume.entrySet(of: pieces).stream.isOnePiece || volume.heap.clusterSize > 300_000)
    for piece in [1000, 1 << 21] {
      let found = try FileTree.read(volume, pieceSize: piece, limit: piece / 1000)
      #expect(FileTree.difference(found, expected) == [])
    }
    #expect(try volume.quickCheck().findings == [])
    try checkIdentity(of: volume, scratch)
    try checkAllocation(of: volume, scratch)
  }

  /// Expects label and serial number to be blkid's.
  private func checkIdentity(of volume: ExFATVolume, _ scratch: Scratch) throws {
    let shown = try scratch.shell("for i in LABEL UUID; do echo \"$(blkid -p -s $i -o value disk)\"; done").output
    #expect("\(volume.identity.label ?? "")\n\(volume.identity.uuid ?? "")\n" == shown)
    #expect(try FilesystemType.exFAT.probe(volume.volume))
  }

  /// Expects the free clusters to be dump.exfat's, and the map of what is allocated to add up to them.
  private func checkAllocation(of volume: ExFATVolume, _ scratch: Scratch) throws {
    let check = try scratch.shell("dump.exfat disk | sed -n 's/^Free Clusters:[^0-9]*//p'").output
    let statistics = try volume.statistics()
    #expect("\(statistics.freeBlockCount)\n" == check)
    var offset: UInt64 = 0
    var used: UInt64 = 0
    while offset < volume.volume.byteCount {
      let extent = try volume.allocation(at: offset, limit: volume.volume.byteCount)
      #expect(extent.offset == offset && extent.length > 0)
      if extent.kind == .data { used += extent.length }
      offset = extent.end
    }
    let files = (statistics.blockCount - statistics.freeBlockCount) * UInt64(statistics.blockSize)
    #expect(offset == volume.volume.byteCount && used == volume.heap.start + files)
  }
}
