import Support
import Testing

/// Patched copies (`-o`) on a filesystem whose files can share blocks.
@Suite(.timeLimit(.minutes(2)), .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct PatchedCopyTests {
  let disk: PatchedDisk
  private var scratch: Scratch { disk.scratch }

  init() throws { disk = try PatchedDisk() }

  @Test func aCopySharesTheImagesBlocks() throws {
    try scratch.shell(
      """
      truncate -s 320M medium; mkfs.xfs -q -m reflink=1 medium; mkdir files; mount -o loop medium files
      cp --sparse=always disk.raw disk.qcow2 files; head -c 9M /dev/urandom > noise
      dd if=noise of=files/disk.raw bs=1M seek=50 conv=notrunc status=none; sync -f files
      """)
    defer { _ = try? scratch.shell("umount files || umount -l files") }
    func free() throws -> Int { try #require(Int(scratch.shell("stat -f -c %f files | tr -d '\\n'").output)) }
    let before = try (digest: digest(scratch.file("files/disk.raw")), free: free())
    let ran = try disk.qflash("patch files/disk.raw -o files/copy.raw --patch-text 2:/etc/hostname=shared")
    #expect(ran.output.contains("60 MiB shared with files/disk.raw"), "\(ran.text)")
    try scratch.shell("sync -f files; filefrag -v files/copy.raw > map; grep -q shared map")
    // A copy would take 9 MiB and more.
    let taken = try (before.free - free()) * 4096
    #expect(taken < 2 << 20, "\(taken)")
    let after = try digest(scratch.file("files/disk.raw"))
    #expect(after == before.digest)
    // The same as the image changed where it is.
    #expect(try disk.look("cat etc/hostname", on: "files/copy.raw") == "shared")
    try scratch.shell("tail -c 10M files/copy.raw | cmp - <(tail -c 10M files/disk.raw)")

    // Over an old and longer file, and read back.
    try scratch.shell("truncate -s 100M files/copy.raw")
    let again = try disk.qflash("patch files/disk.raw -o files/copy.raw --yes --patch-text 2:/etc/hostname=again")
    #expect(again.output.contains("shared with"), "\(again.text)")
    #expect(try disk.look("cat etc/hostname", on: "files/copy.raw") == "again")
    try scratch.shell("test $(stat -c %s files/copy.raw) = $(stat -c %s files/disk.raw)")

    // What cannot be made leaves the old copy.
    let old = try digest(scratch.file("files/copy.raw"))
    let refused = try disk.qflash(
      "patch files/disk.raw -o files/copy.raw --yes --patch-text 2:/no/x=1", expecting: nil)
    #expect(refused.status == 73 && refused.error.contains("nothing was written"), "\(refused.text)")
    #expect(try digest(scratch.file("files/copy.raw")) == old)

    // Another format, or another filesystem, is copied.
    for (image, copy) in [("files/disk.qcow2", "files/copy2.raw"), ("files/disk.raw", "copy.raw")] {
      let ran = try disk.qflash("patch \(image) -o \(copy) --patch-text 2:/etc/hostname=copied")
      #expect(!ran.output.contains("shared with"), "\(ran.text)")
      #expect(try disk.look("cat etc/hostname", on: copy) == "copied")
    }
  }
}
