import Filesystems
import Glibc
import Support
import Testing

@testable import ExFAT

/// Each change alone on each kind of exFAT, on a volume that exfat-fuse has filled.
@Suite struct ExFATSingleChangeTests {
  /// Whether all changes are made on all layouts.
  private static let isWhole = getenv("QFLASH_STRESS_EACH") != nil

  /// The clusters of `pieces` come between those of another file.
  private static let fill = """
    mkdir before/gap; r $((4 * c)) before/gap/g; mkdir mnt/gap
    mv before/old/pieces .; cp -r before/kept before/other before/old mnt; mv pieces before/old
    for i in {0..3}; do
      for f in old/pieces gap/g; do dd if=before/$f of=mnt/$f bs=$c skip=$i seek=$i count=1 conv=notrunc status=none; done
    done

    """

  @Test(
    "Each change alone", .enabled(if: ExFATCase.hasFUSE),
    arguments: ExFATRandomChangeTests.layouts.enumerated().filter { isWhole || $0.offset == 1 }.map(\.element))
  func each(_ layout: ExFATCase) throws {
    let writing = try ExFATWriting(layout, hasKept: false)
    let clusterSize = try writing.open().statistics().blockSize
    try writing.scratch.shell(
      ExFATCase.mounting + "c=\(clusterSize)\n" + SingleChange.before + "mount_it\n" + Self.fill
        + "unmount_it\ncp --sparse=always disk base")
    try writing.check("filled")
    let filled = try writing.open()
    let stream = try filled.reader.entrySet(of: filled.find(path: "/old/pieces")).stream
    #expect(try filled.runs(of: stream).count > 1)
    let changes = SingleChange.all.enumerated().filter { Self.isWhole || $0.offset % 5 == 0 }.map(\.element)
    let count = try writing.changeEach(changes, clusterSize: clusterSize) { Issue.record("\(layout): \($0)") }
    print("exFAT \(layout): \(count) changes, each alone")
  }
}
