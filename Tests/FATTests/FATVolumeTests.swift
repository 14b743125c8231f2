import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

@Suite struct FATVolumeTests {
  @Test("Files are what mtools read", arguments: FATCase.all)
  func files(_ test: FATCase) throws {
    let scratch = try Scratch()
    try test.make(in: scratch)
    let volume = try FATCase.open(scratch)
    #expect(volume.table.width.rawValue == test.bits)
    let expected = try FATCase.oracle(scratch)
    #expect(test.fill == .none || expected.count > 80)
    for piece in [1000, 1 << 21] {
      let found = try FileTree.read(volume, pieceSize: piece, limit: piece / 1000)
      #expect(FileTree.difference(found, expected) == [])
    }
    #expect(volume.warnings == [])
    #expect(try volume.quickCheck().findings == [])
    try checkIdentity(of: volume, scratch)
    try checkAllocation(of: volume, scratch)
  }

  /// Expects label and serial number to be blkid's.
  private func checkIdentity(of volume: FATVolume, _ scratch: Scratch) throws {
    let shown = try scratch.shell(
      "for i in LABEL UUID VERSION; do echo \"$(blkid -p -s $i -o value disk)\"; done"
    ).output
    let ours = [volume.identity.label ?? "", volume.identity.uuid ?? "", volume.identity.features.first ?? ""]
    #expect(ours.joined(separator: "\n") + "\n" == shown)
    #expect(try FilesystemType.fat.probe(volume.volume))
  }

  /// Expects the sizes to be fsck.fat's, and the map of what is allocated to add up to them.
  private func checkAllocation(of volume: FATVolume, _ scratch: Scratch) throws {
    let check = try scratch.shell("fsck.fat -n disk | tail -1").output
    let counts = check.split { !$0.isNumber }.compactMap { UInt64($0) }
    let statistics = try volume.statistics()
    #expect(counts.suffix(2) == [statistics.blockCount - statistics.freeBlockCount, statistics.blockCount])
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
