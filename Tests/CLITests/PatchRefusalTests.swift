import Support
import Testing

/// What cannot be patched is refused by name, and stays as it is to the bit.
@Suite(.serialized, .timeLimit(.minutes(4)), .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct PatchRefusalTests {
  let disk: PatchedDisk
  private var scratch: Scratch { disk.scratch }

  init() throws {
    disk = try PatchedDisk()
    try scratch.shell(
      """
      head -c 60M /dev/zero > large; printf '[[patch]]\\npath = "/x"\\nfrobnicate = 1\\n' > bad.toml; mkdir folder; ln -s nowhere folder/l
      """)
  }

  /// Expects `words` after `patch` to fail with `status` and a sentence that has `says`, and `target` to stay as it is.
  private func refuses(_ words: String, _ status: Int32, _ says: String..., target: String = "disk.raw") throws {
    let before = try digest(scratch.file(target))
    let ran = try disk.qflash("patch " + words, expecting: nil)
    #expect(ran.status == status, "\(words): \(ran.status) \(ran.text)")
    for one in says { #expect(ran.error.contains(one), "\(words): '\(one)' is not in: \(ran.error)") }
    let after = try digest(scratch.file(target))
    #expect(before == after, "\(words) changed \(target)")
  }

  @Test func stepsThatCannotBeDone() throws {
    // Each behind a step that can be done.
    let cases: [(words: String, status: Int32, says: String)] = [
      ("--patch /etc/x=large", 73, "not enough free space"),
      ("--patch 1:/x=large", 73, "not enough free space"),
      ("--patch-text /no/such/x=1", 64, "no partition of disk.raw has the directory of /no/such/x"),
      ("--patch-text 2:/no/such/x=1", 73, "no such file or directory"),
      ("--patch-text /x=1", 64, "partitions 1, 2 of disk.raw have the directory of /x"),
      ("--patch-text 7:/x=1", 64, "no partition 7"),
      ("--patch-text 2:/etc=1", 73, "/etc: is a directory"),
      ("--patch-mkdir /etc/sub", 73, "exists already"), ("--patch-rm 2:/etc/none", 73, "no such file"),
      ("--patch-rm 2:/", 73, "root cannot be removed"),
      ("--patch-text /etc/dangling=1", 73, "symbolic link to something"),
      ("--patch-symlink 1:/EFI/l=x", 73, "FAT has no symbolic links"),
      ("--patch-mode 1:/EFI=0700", 73, "FAT keeps no permissions"),
      ("--patch-owner 1:/EFI=7:7", 73, "FAT keeps no owners"),
      ("--patch-text '1:/EFI/a:b=1'", 73, "is no name that FAT can store"),
      ("--patch-tree 1:/EFI=folder", 73, "FAT has no symbolic links"),
      ("--patch-rename 2:/etc=/etc/sub/etc", 73, "below itself"),
      ("--patch-rename 2:/etc/motd=1:/motd", 64, "both paths have to be on one partition"),
      ("--patch-text \"/etc/$(printf 'n%.0s' $(seq 300))=1\"", 73, "too long"),
      ("--patch /etc/x=no-such-file", 66, "no-such-file"), ("--patch /etc/x=folder", 66, "folder"),
      ("--patch-tree /srv=large", 66, "is not a folder"),
      ("--patch-file bad.toml", 64, "line 3: there is no key 'frobnicate'"),
      ("--patch-file no-such.toml", 66, "no-such.toml"), ("--patch-text x=1", 64, "starts with /"),
      ("--patch-text /x", 64, "PATH=VALUE"), ("--patch-mode /etc=rwx", 64, "octal"),
      ("--patch-owner /etc=root", 64, "numbers"), (#"--patch-text '/etc/x=\q'"#, 64, "backslash"),
      ("--patch /a=- --patch /b=-", 64, "only one file"),
    ]
    for one in cases { try refuses("disk.raw --patch-text /etc/fine=1 " + one.words, one.status, one.says) }
    try refuses("disk.raw", 64, "nothing to change")
    try refuses("disk.raw:2 --partition 1 --patch-text /x=1", 64, "names partition 2")
  }

  @Test func targetsThatAreNotPatched() throws {
    try scratch.shell(
      """
      gzip -k -1 disk.raw; truncate -s 4M nothing; split -n 2 -a 2 disk.raw piece.
      cp ext errors; debugfs -w -R 'ssv state 2' errors 2> /dev/null
      """)
    let change = " --patch-text /etc/hostname=x"
    try refuses("disk.qcow2" + change, 73, "qcow2 image", "-o OUT", target: "disk.qcow2")
    try refuses("disk.raw.gz" + change, 73, "compressed (gzip)", "-o OUT", target: "disk.raw.gz")
    try refuses("piece.aa" + change, 73, "2 pieces", target: "piece.aa")
    try refuses("nothing" + change, 65, "no filesystem was found", target: "nothing")
    try refuses("errors" + change, 65, "recorded errors", target: "errors")
    try refuses("no-such-disk" + change, 73, "does not exist")
    try refuses("- " + change, 64, "name a device or a raw file")
    try refuses("folder" + change, 73, "folder")
    try refuses("disk.raw -o - " + change, 64, "cannot be patched")
    try scratch.shell("test ! -e no-such-disk")
    let nobody = try scratch.shell(
      "chmod 644 disk.raw; \(PatchedDisk.nobody) \(PatchedDisk.tool) patch disk.raw\(change)", expecting: nil)
    #expect(nobody.status == 73 && nobody.error.contains("ermission"), "\(nobody.text)")
    let stdout = try disk.qflash("-src disk.qcow2 -dst -\(change) > out", expecting: nil)
    #expect(stdout.status == 64 && stdout.error.contains("standard output cannot be patched"), "\(stdout.text)")
    let both = try disk.qflash("-src - -dst new --patch /etc/x=- < disk.raw", expecting: nil)
    #expect(both.status == 64 && both.error.contains("both the image and a file"), "\(both.text)")
    for words in ["-src disk.qcow2\(change)", "-src disk.qcow2 -write-parts 2=p2\(change)"] {
      let ran = try disk.qflash(words, expecting: nil)
      #expect(ran.status == 64 && ran.error.contains("need a target"), "\(words): \(ran.text)")
    }
  }

  @Test func targetsInUse() throws {
    let loop = try LoopDevice(size: 16 << 20)
    defer { withExtendedLifetime(loop) {} }
    try scratch.shell("mke2fs -q -d tree \(loop.node); mkdir mnt; mount -o ro \(loop.node) mnt")
    let change = " --patch-text /etc/hostname=x"
    do {
      defer { _ = try? scratch.shell("umount mnt") }
      let ran = try disk.qflash("patch \(loop.node)\(change)", expecting: nil)
      #expect(ran.status == 73 && ran.error.contains("mounted at"), "\(ran.text)")
    }
    let file = try disk.qflash("patch \(loop.file)\(change)", expecting: nil)
    #expect(file.status == 73 && file.error.contains("backing file of the active loop device"), "\(file.text)")
    let locked = try scratch.shell(
      """
      flock -x --no-fork disk.raw sleep 30 > /dev/null 2>&1 & holder=$!; sleep 0.3
      \(PatchedDisk.tool) patch disk.raw\(change) && status=0 || status=$?
      kill $holder; wait $holder || true; exit $status
      """, expecting: nil)
    #expect(locked.status == 73 && locked.error.contains("holds a lock"), "\(locked.text)")
    let qemu = try scratch.shell(
      """
      mkfifo talk; qemu-io -f raw disk.raw < talk > /dev/null 2>&1 & holder=$!; exec 7> talk; sleep 1
      \(PatchedDisk.tool) patch disk.raw\(change) && status=0 || status=$?
      exec 7>&-; wait $holder; exit $status
      """, expecting: nil)
    #expect(qemu.status == 73 && qemu.error.contains("virtual machine or qemu tool"), "\(qemu.text)")
    #expect(try disk.look("cat etc/hostname") == "old-name\n")
  }

  @Test func aBadPatchIsKnownBeforeAFlash() throws {
    let loop = try LoopDevice(size: 64 << 20)
    defer { withExtendedLifetime(loop) {} }
    let before = try digest(loop.node)
    for patch in ["--patch-text /no/x=1", "--patch 2:/x=large", "--patch-rm 2:/none"] {
      let ran = try disk.qflash(
        "-src disk.qcow2 -dst \(loop.node) --yes --patch-text 2:/fine=1 \(patch)", expecting: nil)
      #expect([64, 73].contains(ran.status) && ran.error.contains("nothing was written"), "\(ran.text)")
    }
    let after = try digest(loop.node)
    #expect(before == after)
  }
}
