import Support
import Testing

/// Patches in the same pass as a flash or a restore.
@Suite(.serialized, .timeLimit(.minutes(4)), .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct PatchedFlashTests {
  let disk: PatchedDisk
  private var scratch: Scratch { disk.scratch }

  init() throws { disk = try PatchedDisk() }

  @Test(arguments: [512, 4096]) func aFlashToADisk(_ sector: Int) throws {
    // The same disk, its table written for the other sectors too.
    if sector == 4096 {
      try scratch.shell(
        """
        truncate -s 60M big; loop=$(losetup --find --show --sector-size 4096 big); trap 'losetup -d $loop' EXIT
        printf 'label: gpt\\nsize=8M,type=U,name="EFI"\\nsize=40M,name=root\\n' | sfdisk -q --no-reread $loop 2> /dev/null; partx -d $loop 2> /dev/null || true
        truncate -s 8M esp; mkfs.vfat -S 4096 -n ESP esp > /dev/null; mmd -i esp ::EFI
        dd if=esp of=$loop bs=1M seek=1 conv=notrunc status=none; dd if=ext of=$loop bs=1M seek=9 conv=notrunc status=none
        losetup -d $loop; trap - EXIT; qemu-img convert -c -O qcow2 big disk.qcow2
        """)
    }
    let loop = try LoopDevice(size: 80 << 20, sectorSize: sector)
    defer { withExtendedLifetime(loop) {} }
    let ran = try disk.qflash(
      "-src disk.qcow2 -dst \(loop.node) --yes --patch-text '/etc/hostname=flashed\\n' --patch-tree 2:/srv=tree/usr --patch-text 1:/EFI/x=1"
    )
    for says in [
      "verified: ", "patched: /etc/hostname on \(loop.node):2: replaced", "compared: ",
      "partition 2 (ext4 \"system\") sound",
    ] {
      #expect(ran.output.contains(says), "\(ran.text)")
    }
    if sector == 512 {
      let found = try disk.look(
        "cat etc/hostname; cmp srv/lib/untouched usr/lib/untouched; mtype -i ../esp.now ::EFI/x", on: loop.node)
      #expect(found == "flashed\n1")
    } else {
      try scratch.shell(
        """
        sgdisk -v \(loop.node) | grep 'No problems found' > /dev/null; dd if=\(loop.node) of=ext.now bs=1M skip=9 count=40 status=none
        e2fsck -fn ext.now; debugfs -R 'cat /etc/hostname' ext.now 2> /dev/null | grep -cx flashed
        """)
    }
  }

  @Test func aSplitBackup() throws {
    try scratch.shell(
      "partclone.extfs -c -q -s ext -L log -O - | gzip -1 | split -b 100k -a 2 - sda1.img.gz.; ls sda1.img.gz.ab; echo mine > hostname"
    )
    for target in ["plain", "loop"] {
      let loop = target == "loop" ? try LoopDevice(size: 44 << 20) : nil
      defer { withExtendedLifetime(loop) {} }
      let name = loop?.node ?? "plain"
      let ran = try scratch.shell(
        "\(PatchedDisk.restore) sda1.img.gz.aa \(name) --yes --patch /etc/hostname=./hostname")
      #expect(ran.output.contains("patched: /etc/hostname on \(name): replaced"), "\(ran.text)")
      try scratch.shell(
        """
        head -c 40M \(name) > ext.now; e2fsck -fn ext.now; debugfs -R 'cat /etc/hostname' ext.now 2> /dev/null | cmp - hostname
        debugfs -R 'cat /usr/lib/untouched' ext.now 2> /dev/null | cmp - tree/usr/lib/untouched
        """)
    }
    let nobody = try scratch.shell(
      """
      mkdir -m 777 out; cat sda1.img.gz.* | \(PatchedDisk.nobody) \(PatchedDisk.restore) - out/plain --patch-text /etc/hostname=nobody
      e2fsck -fn out/plain; debugfs -R 'cat /etc/hostname' out/plain 2> /dev/null
      """)
    #expect(nobody.output.hasSuffix("nobody"), "\(nobody.text)")
  }

  @Test func aPipesBadPatchComesLateAndLeavesNoTable() throws {
    let loop = try LoopDevice(size: 64 << 20)
    defer { withExtendedLifetime(loop) {} }
    let ran = try scratch.shell(
      "cat disk.raw | \(PatchedDisk.tool) -src - -dst \(loop.node) --yes --patch-text 2:/a=1 --patch-rm 2:/none",
      expecting: nil)
    #expect(ran.status == 73 && ran.error.contains("--patch-rm 2:/none: /none: there is no such file"), "\(ran.text)")
    #expect(ran.error.contains("is written but not wholly patched"), "\(ran.text)")
    try scratch.shell(
      "! sfdisk -J \(loop.node) 2> /dev/null; head -c 34816 \(loop.node) | tr -d '\\0' | wc -c | grep -cx 0")
    // The steps were tried together: not even the first was made.
    try scratch.shell("dd if=\(loop.node) of=ext.now bs=1M skip=9 count=40 status=none; cmp ext.now ext")
  }

  @Test func aFolderAndAPartitionOfIt() throws {
    let images = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/TestImages/clonezilla"
    try scratch.shell("cp -r '\(images)/.' .; ls -d */ > folders")
    let names = try scratch.shell("for f in *.json; do echo ${f%.json}; done").output.split(separator: "\n")
    var tried = 0
    for name in names {
      let facts = try scratch.shell(
        "python3 -c 'import json; f = json.load(open(\"\(name).json\")); print(*[i for i, p in enumerate(f[\"partitions\"]) if p[\"kind\"].startswith(\"ext\") and p[\"kind\"] != \"extended\"][:1], *[p[\"start\"] for p in f[\"partitions\"] if p[\"kind\"].startswith(\"ext\") and p[\"kind\"] != \"extended\"][:1])'",
        expecting: nil)
      let words = facts.output.split { " \n".contains($0) }.compactMap { Int($0) }
      guard facts.status == 0, words.count == 2 else { continue }
      let (number, start) = (words[0] + 1, words[1])
      let ran = try scratch.shell(
        "\(PatchedDisk.restore) \(name) whole.raw --progress none --patch-text \(number):/patched=yes", expecting: nil)
      // Logical partitions have numbers of their own.
      guard ran.status == 0 else { continue }
      tried += 1
      try scratch.shell(
        "dd if=whole.raw of=part bs=512 skip=\(start / 512) status=none; debugfs -R 'cat /patched' part 2> /dev/null | grep -cx yes; rm whole.raw"
      )
    }
    #expect(tried > 0)
  }

  @Test func killedInBetweenLeavesNoTable() throws {
    let loop = try LoopDevice(size: 64 << 20)
    defer { withExtendedLifetime(loop) {} }
    let flash = "\(PatchedDisk.tool) -src disk.qcow2 -dst \(loop.node) --yes --no-verify --workers 1"
    let patches = "--patch-text 2:/etc/hostname=killed --patch-tree 2:/srv=tree/usr --patch-rm 2:/var"
    // The thread that is counted clears the table, patches, and writes the table.
    let counting = try scratch.shell(
      """
      strace -qq -e trace=pwrite64 -o plain \(flash) > /dev/null; strace -qq -e trace=pwrite64 -o patched \(flash) \(patches) > /dev/null
      grep -c pwrite64 plain; grep -c pwrite64 patched
      """)
    let counts = counting.output.split(separator: "\n").compactMap { Int($0) }
    #expect(counts.count == 2 && counts[1] > counts[0] + 6, "\(counting.text)")
    guard counts.count == 2 else { return }
    for place in 0..<8 {
      let number = (counts[1] - 8) * (place + 1) / 8
      try scratch.shell(
        """
        strace -qq -o /dev/null -e trace=pwrite64 -e inject=pwrite64:signal=KILL:when=\(number) \(flash) \(patches) > /dev/null 2>&1 && exit 1
        if sfdisk -J \(loop.node) > table 2> /dev/null; then echo "a table after write \(number) of \(counts[1])"; exit 1; fi
        dd if=\(loop.node) of=ext.now bs=1M skip=9 count=40 status=none; e2fsck -fy ext.now > checked 2>&1 || test $? -le 1 || { cat checked; exit 1; }
        debugfs -R 'cat /usr/lib/untouched' ext.now 2> /dev/null | cmp - tree/usr/lib/untouched
        """)
    }
  }
}
