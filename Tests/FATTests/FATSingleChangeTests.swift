import Filesystems
import Glibc
import Support
import Testing

@testable import FAT

/// Each change alone on each kind of FAT, on a volume that mtools have filled.
@Suite struct FATSingleChangeTests {
  /// Whether all changes are made on all layouts.
  private static let isWhole = getenv("QFLASH_STRESS_EACH") != nil

  /// Files of one cluster with gaps between them, for `pieces`, which comes last.
  private static let fill = """
    mkdir before/gap; for i in {1..8}; do r $c before/gap/g$i; done; mcopy -i disk -s before/gap ::
    mv before/old/pieces .; mcopy -i disk -s before/kept before/other before/old ::; mv pieces before/old
    mdel -i disk ::gap/g2 ::gap/g4 ::gap/g6 ::gap/g8; rm before/gap/g[2468]
    if [ $wide = 1 ]; then
      s=$(od -An -tu2 -j11 -N2 disk); printf '\\377\\377\\377\\377' | dd of=disk bs=1 seek=$((s + 492)) conv=notrunc status=none
    fi
    mcopy -i disk before/old/pieces ::old; cp --sparse=always disk base

    """

  @Test(
    "Each change alone",
    arguments: FATRandomChangeTests.layouts.enumerated().filter { isWhole || [0, 7].contains($0.offset) }.map(\.element)
  )
  func each(_ layout: FATRandomChangeTests.Layout) throws {
    let writing = try FATWriting(layout.options, size: layout.size)
    let volume = try writing.open()
    let clusterSize = try volume.statistics().blockSize
    try writing.scratch.shell(
      FATCase.environment + "c=\(clusterSize) wide=\(volume.reader.boot.wide == nil ? 0 : 1)\n" + SingleChange.before
        + Self.fill)
    try writing.check("filled")
    let filled = try writing.open()
    let entry = try filled.reader.entry(of: filled.find(path: "/old/pieces"))
    #expect(try filled.runs(from: entry.firstCluster).count > 1)
    let changes = SingleChange.all.enumerated().filter { Self.isWhole || $0.offset % 2 == 0 }.map(\.element)
    let count = try writing.changeEach(changes, clusterSize: clusterSize) { Issue.record("\(layout): \($0)") }
    print("FAT \(layout): \(count) changes, each alone")
  }
}
