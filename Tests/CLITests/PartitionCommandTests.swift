import Support
import Testing

/// Listing partitions, and writing single ones to files and devices.
@Suite(.serialized, .timeLimit(.minutes(3))) struct PartitionCommandTests {
  let scratch: Scratch

  /// A GPT of an ESP, a root and a gap, whose third partition holds random bytes; `disk.qcow2` is the same compressed.
  init() throws {
    scratch = try Scratch()
    try scratch.shell(
      """
      truncate -s 24M disk.raw
      printf 'label: gpt\\n1 : size=4M,type=U,name="EFI System"\\n3 : size=3M,name=odd\\n7 : start=30720,size=5M,type=L,name=root\\n' |
        sfdisk -q disk.raw
      truncate -s 4M esp; mkfs.vfat -n ESP esp >/dev/null; head -c 3M /dev/urandom > odd
      truncate -s 5M root; mke2fs -q -L system root
      dd if=esp of=disk.raw bs=1M seek=1 conv=notrunc status=none
      dd if=odd of=disk.raw bs=1M seek=5 conv=notrunc status=none
      dd if=root of=disk.raw bs=1M seek=15 conv=notrunc status=none
      qemu-img convert -c -O qcow2 disk.raw disk.qcow2
      """)
  }

  /// Compares the listing in `listing.json` with sfdisk's of `disk` and blkid's of each partition.
  static let compare = """
    import json, subprocess, sys
    ours = json.load(open("listing.json"))
    theirs = json.loads(subprocess.check_output(["sfdisk", "-J", sys.argv[1]], stderr=subprocess.DEVNULL))["partitiontable"]
    sector = theirs["sectorsize"]
    assert ours["table"] == theirs["label"] and ours["identifier"] == theirs["id"] and ours["sector-size"] == sector, ours
    parts = theirs.get("partitions", [])
    assert len(parts) == len(ours["partitions"]), ours
    for p, q in zip(parts, ours["partitions"]):
        number = int(p["node"][len(theirs["device"]):].lstrip("p"))
        assert (number, p["start"] * sector, p["size"] * sector) == (q["number"], q["start"], q["size"]), (p, q)
        assert p["type"].lower() == q["type"].lower() and p.get("name") == q.get("label"), (p, q)
        if ours["table"] == "gpt": assert p["uuid"] == q["uuid"], (p, q)
        probe = subprocess.run(["blkid", "-p", "-o", "export", "-O", str(q["start"]), "-S", str(q["size"]), sys.argv[1]],
                               capture_output=True, text=True).stdout
        found = dict(line.split("=", 1) for line in probe.splitlines() if "=" in line)
        fs = q.get("filesystem") or {}
        if q["type"] not in ("5", "f"):
            for theirName, ourName in (("TYPE", "type"), ("LABEL", "label"), ("UUID", "uuid")):
                assert found.get(theirName) == fs.get(ourName), (found, fs)
    """

  private func compare(_ source: String, with disk: String) throws {
    try scratch.shell(
      """
      cat > compare.py <<'EOF'
      \(Self.compare)
      EOF
      '\(Machine.binaries)/qflash' -src \(source) -list-parts --json > listing.json
      test $(wc -l < listing.json) = 1
      python3 compare.py \(disk)
      """)
  }

  @Test func listsAsSfdiskAndBlkidDo() throws {
    try compare("disk.raw", with: "disk.raw")
    try compare("disk.qcow2", with: "disk.raw")
    try scratch.shell("gzip -k disk.raw; zstd -q disk.raw")
    try compare("disk.raw.gz", with: "disk.raw")
    try compare("disk.raw.zst", with: "disk.raw")
    try compare("- < disk.raw", with: "disk.raw")
  }

  @Test func listsLogicalPartitions() throws {
    try scratch.shell(
      """
      truncate -s 64M mbr
      printf 'label: dos\\n,4M,c,*\\n,1M,82\\n,1M\\n,40M,f\\n,2M\\n,3M,L\\n,4M,7\\n' | sfdisk -q mbr
      truncate -s 3M fs; mke2fs -q -L data fs; start=$(sfdisk -d mbr | awk -F'[=,]' '/^mbr6/ {print $2 + 0}')
      dd if=fs of=mbr seek=$start conv=notrunc status=none
      """)
    try compare("mbr", with: "mbr")
    let ran = try qflash("-src mbr -list-parts", in: scratch.path, expecting: 0)
    #expect(ran.output.contains("ext2") && ran.output.contains("data"), "\(ran.text)")
    try qflash("-src mbr -write-parts 6=p6", in: scratch.path, expecting: 0)
    try scratch.shell("cmp p6 fs")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: [512, 4096])
  func listsDevices(sectorSize: Int) throws {
    for label in ["gpt", "dos"] {
      let loop = try LoopDevice(size: 16 << 20, sectorSize: sectorSize, byte: 0)
      defer { withExtendedLifetime(loop) {} }
      try scratch.shell("printf 'label: \(label)\\n,4M\\n,2M\\n' | sfdisk -q --no-reread --no-tell-kernel \(loop.node)")
      try compare(loop.node, with: loop.node)
      try scratch.shell("blockdev --flushbufs \(loop.node)")
    }
  }

  @Test func regionsCoverTheDisk() throws {
    let ran = try qflash("-src disk.qcow2 -regions", in: scratch.path, expecting: 0)
    for name in ["protective MBR", "GPT header", "GPT entries", "boot area", "partition 7", "gap", "backup GPT header"]
    {
      #expect(ran.output.contains(name), "\(ran.text)")
    }
    try scratch.shell(
      """
      '\(Machine.binaries)/qflash' -src disk.qcow2 -regions --json | python3 -c '
      import json, sys
      at = 0
      for r in json.load(sys.stdin)["regions"]:
          assert r["start"] == at and r["size"] > 0, r
          at += r["size"]
      assert at == 24 << 20'
      """)
  }

  @Test func infoShowsTheTable() throws {
    let ran = try qflash("info disk.qcow2", in: scratch.path, expecting: 0)
    for word in ["gpt", "EFI System", "vfat", "ESP", "ext2", "system"] { #expect(ran.output.contains(word)) }
    try scratch.shell("gzip -k disk.raw")
    let packed = try qflash("info disk.raw.gz", in: scratch.path, expecting: 0)
    #expect(packed.output.contains("EFI System") && packed.error.contains("first MiB"), "\(packed.text)")
    try scratch.shell("truncate -s 5M bare; mke2fs -q -L whole bare")
    let bare = try qflash("info bare", in: scratch.path, expecting: 0)
    #expect(bare.output.contains("ext2") && bare.output.contains("whole"), "\(bare.text)")
  }

  @Test func damagedTables() throws {
    let break512 = "printf X | dd of=bad bs=1 seek=$((512 + 20)) conv=notrunc status=none"
    let breakLast = "printf X | dd of=bad bs=1 seek=$(((24 << 20) - 512 + 20)) conv=notrunc status=none"
    try scratch.shell("cp disk.raw bad; \(break512)")
    let primary = try qflash("-src bad -list-parts", in: scratch.path, expecting: 0)
    #expect(primary.error.contains("the backup") && primary.output.contains("root"), "\(primary.text)")
    try scratch.shell(breakLast)
    let both = try qflash("-src bad -list-parts", in: scratch.path)
    #expect(both.status == 65 && both.error.contains("both copies"), "\(both.text)")
    #expect(both.error.split(separator: "\n").count <= 2)
    let write = try qflash("-src bad -write-parts 1=p1", in: scratch.path)
    #expect(write.status == 65, "\(write.text)")
    // The disk as a whole is copied as it is, and the damage said.
    let copy = try qflash("-src bad -dst copy", in: scratch.path, expecting: 0)
    #expect(copy.error.contains("both copies"), "\(copy.text)")
    try scratch.shell("cmp bad copy; test ! -e p1")
  }

  @Test func partitionsWithBadRanges() throws {
    try scratch.shell(
      """
      head -c 12M disk.raw > short
      truncate -s 8M mbr; printf 'label: dos\\nstart=2048,size=4096\\nstart=8192,size=4096\\n' | sfdisk -q mbr
      printf '\\x00\\x0c' | dd of=mbr bs=1 seek=470 conv=notrunc status=none
      """)
    for (words, says) in [
      ("-src short -write-parts 7=out", "past the end"), ("-src mbr -write-parts 1=out", "shares bytes"),
      ("-src mbr -write-parts 2=out", "shares bytes"),
    ] {
      let ran = try qflash(words, in: scratch.path)
      #expect(ran.status == 65 && ran.error.contains(says), "\(words): \(ran.text)")
    }
    try scratch.shell("test ! -e out")
    try qflash("-src short -write-parts 3=out", in: scratch.path, expecting: 0)
    try scratch.shell("cmp out odd")
    let copy = try qflash("-src short -dst copy", in: scratch.path, expecting: 0)
    #expect(copy.error.contains("cut short"), "\(copy.text)")
    try scratch.shell("cmp short copy")
  }

  @Test func writesPartitionsToFilesAndPipes() throws {
    for source in ["disk.raw", "disk.qcow2", "- < disk.raw"] {
      try scratch.shell("rm -f p1 'p,3' p7; head -c 9M /dev/urandom > p7")
      try qflash("-write-parts '1=p1,3=p\\,3,7=p7' --verify -src \(source)", in: scratch.path, expecting: 0)
      try scratch.shell("cmp p1 esp; cmp 'p,3' odd; cmp p7 root")
    }
    try scratch.shell(
      "'\(Machine.binaries)/qflash' -src disk.qcow2 -list-parts -write-parts 3=- > piped 2> err; cmp piped odd; grep -q root err"
    )
  }

  @Test func listThenPartitionsThenDiskAsLinesOfJSON() throws {
    try scratch.shell(
      """
      '\(Machine.binaries)/qflash' -src disk.qcow2 -list-parts -write-parts 1=p1,7=p7 -dst whole --json > lines
      python3 -c '
      import json
      lines = [json.loads(line) for line in open("lines")]
      assert len(lines) == 4, lines
      assert lines[0]["table"] == "gpt"
      assert [l["target"] for l in lines[1:]] == ["p1", "p7", "whole"]
      assert [l["size"] >> 20 for l in lines[1:]] == [4, 5, 24]'
      cmp p1 esp; cmp p7 root; cmp whole disk.raw
      """)
    let dry = try qflash("-src disk.qcow2 -write-parts 7=new -dry-run --json", in: scratch.path, expecting: 0)
    #expect(dry.output.contains("\"size\":5242880"), "\(dry.text)")
    try scratch.shell("test ! -e new")
  }
}
