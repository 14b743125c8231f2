import Support
import Testing

/// Clonezilla folders that the real ocs-sr wrote, restored to disks, files and single partitions.
@Suite(.serialized, .timeLimit(.minutes(5))) struct ClonezillaCommandTests {
  let scratch: Scratch

  /// Copies of TestImages' folders, named after their tables.
  init() throws {
    scratch = try Scratch()
    let images = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/TestImages/clonezilla"
    try scratch.shell("cp -r '\(images)/.' .")
  }

  @discardableResult
  private func restore(_ words: String, expecting: Int32? = 0) throws -> Finished {
    try shell("exec '\(Machine.binaries)/restore' \(words) --progress none", in: scratch.path, expecting: expecting)
  }

  /// Compares a restored disk with what sfdisk and partclone.restore said when the folder was made: argument 1 is the
  /// disk, 2 the facts, 3 whether what is not stored reads as zeroes, 4 whether the disk has its old size.
  private static let compare = """
    import json, subprocess, sys, zlib
    disk, facts, zeroed, same = sys.argv[1], json.load(open(sys.argv[2])), sys.argv[3] == "1", sys.argv[4] == "1"
    table = json.loads(subprocess.check_output(["sfdisk", "-J", disk]))["partitiontable"]
    assert table["label"] == facts["table"] and table["id"].lower() == facts["identifier"].lower(), table
    found = [(p["start"] * 512, p["size"] * 512) for p in table["partitions"]]
    wanted = [(p["start"], p["size"]) for p in facts["partitions"]]
    kinds = [p["kind"] for p in facts["partitions"]]
    for a, b, kind in zip(found, wanted, kinds):
        # An extended partition may have been cut short.
        assert a == b or kind == "extended" and not same and a[0] == b[0], (found, wanted)
    assert len(found) == len(wanted)
    with open(disk, "rb") as file:
        def bytes_at(start, size):
            file.seek(start)
            return file.read(size)
        if same:
            crc = zlib.crc32(b"".join(bytes_at(512 * s, 512) for s in facts["table-sectors"]))
            assert crc == facts["table-crc32"], crc
        for part in facts["partitions"]:
            if "crc32" in part and zeroed:
                assert zlib.crc32(bytes_at(part["start"], part["size"])) == part["crc32"], part
            if part["kind"] == "extended": continue
            ran = subprocess.run(["blkid", "-p", "-o", "export", "-O", str(part["start"]), "-S", str(part["size"]), disk],
                                 capture_output=True, text=True)
            said = dict(line.split("=", 1) for line in ran.stdout.splitlines() if "=" in line)
            assert (said.get("TYPE"), said.get("LABEL", "")) == (part["kind"], part["label"]), (said, part)
    verify = subprocess.run(["sfdisk", "--verify", disk], capture_output=True, text=True)
    assert verify.returncode == 0 and "No errors" in verify.stdout + verify.stderr, verify
    if facts["table"] == "gpt":
        assert "No problems found" in subprocess.check_output(["sgdisk", "-v", disk], text=True)
    """

  private func compare(_ disk: String, _ name: String, zeroed: Bool, sameSize: Bool) throws {
    try scratch.shell(
      """
      cat > compare.py <<'EOF'
      \(Self.compare)
      EOF
      python3 compare.py \(disk) \(name).json \(zeroed ? 1 : 0) \(sameSize ? 1 : 0)
      """)
  }

  /// The checkers of the filesystems in the partitions of a disk.
  private func check(_ disk: String, _ name: String) throws {
    try scratch.shell(
      """
      python3 -c 'import json
      for p in json.load(open("\(name).json"))["partitions"]: print(p["kind"], p["start"] // 512, p["size"] // 512)' |
      while read -r kind start size; do
        dd if=\(disk) of=part bs=512 skip=$start count=$size status=none
        case $kind in
          ext4) e2fsck -fn part >log 2>&1 ;;
          vfat) fsck.fat -n part >log 2>&1; mcopy -n -o -i part ::FILE vfat.file ;;
          ntfs) ntfsfix -n part >log 2>&1; ntfscat part file > ntfs.file ;;
        esac || { cat log; exit 1; }
      done
      test -s vfat.file; test -s ntfs.file
      """)
  }

  @Test(arguments: ["gpt", "mbr"]) func toAFile(_ name: String) throws {
    let ran = try restore("\(name) out --verify --no-boot-sector-fix")
    #expect(ran.output.contains("verified"), "\(ran.text)")
    try compare("out", name, zeroed: true, sameSize: true)
    try check("out", name)
  }

  @Test(
    .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"),
    arguments: [("gpt", 24576), ("gpt", 40000), ("gpt", 20000), ("mbr", 32768), ("mbr", 50000), ("mbr", 24000)])
  func toADisk(_ name: String, _ kibibytes: Int) throws {
    let loop = try LoopDevice(size: kibibytes << 10)
    defer { withExtendedLifetime(loop) {} }
    let ran = try restore("\(name) \(loop.node) --yes")
    #expect(ran.output.contains("verified"), "\(ran.text)")
    try scratch.shell("blockdev --flushbufs \(loop.node)")
    try compare(loop.node, name, zeroed: false, sameSize: kibibytes == (name == "gpt" ? 24576 : 32768))
    try check(loop.node, name)
  }

  @Test(
    .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"),
    arguments: [("gpt", "--unused zero"), ("mbr", "--unused zero"), ("mbr", "--unused zero --workers 1")])
  func zeroingWhatIsUnused(_ name: String, _ options: String) throws {
    let loop = try LoopDevice(size: name == "gpt" ? 24 << 20 : 32 << 20)
    defer { withExtendedLifetime(loop) {} }
    try restore("\(name) \(loop.node) --yes --no-boot-sector-fix \(options)")
    try compare(loop.node, name, zeroed: true, sameSize: true)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ["gpt", "mbr"])
  func refusedTargets(_ name: String) throws {
    let small = try LoopDevice(size: 16 << 20)
    let sectors = try LoopDevice(size: 64 << 20, sectorSize: 4096)
    defer { withExtendedLifetime((small, sectors)) {} }
    let before = try digest(small.node) + digest(sectors.node)
    let short = try restore("\(name) \(small.node) --yes", expecting: 73)
    #expect(
      short.error.contains("16 MiB") && short.error.contains(name == "gpt" ? "24 MiB" : "32 MiB"), "\(short.text)")
    let other = try restore("\(name) \(sectors.node) --yes", expecting: 73)
    #expect(other.error.contains("sectors of 4096 bytes"), "\(other.text)")
    #expect(try digest(small.node) + digest(sectors.node) == before)
    #expect(short.error.contains("nothing was written") && other.error.contains("nothing was written"))
    try restore("\(name) -", expecting: 64)
    try restore("\(name) x --offset 4096", expecting: 64)
    try restore("\(name) \(name)", expecting: 73)
    try restore("\(name):sdz9 x", expecting: 64)
    try qflash("-src \(name) -write-parts 1=x", in: scratch.path, expecting: 64)
    try scratch.shell("test ! -e x")
  }

  @Test func singlePartitions() throws {
    let disk = try scratch.shell("cat gpt/disk").output.split(separator: "\n")[0]
    try restore("gpt:\(disk)p2 p2; e2fsck -fn p2")
    try restore("gpt:2 again; cmp p2 again")
    try restore("gpt:/dev/\(disk)p3 - | blkid -p /dev/stdin || true")
    try restore("gpt:3 swap; test \"$(blkid -p -o value -s LABEL swap)\" = scratch")
    try restore("mbr:3 x", expecting: 65)
    try scratch.shell("test ! -e x")
    let ran = try restore("--info gpt:2")
    #expect(ran.output.contains("partclone") && ran.output.contains("EXTFS"), "\(ran.text)")
  }

  @Test func listsAndInfo() throws {
    for name in ["gpt", "mbr"] {
      try restore("--list \(name) --json > list.json")
      try scratch.shell(
        """
        python3 - <<'EOF'
        import glob, json, os
        facts = json.load(open("\(name).json"))
        disk = json.load(open("list.json"))["disks"][0]
        assert disk["table"] == facts["table"] and disk["size"] == facts["size"] and disk["disk"] == facts["disk"], disk
        assert len(disk["partitions"]) == len(facts["partitions"])
        for ours, theirs in zip(disk["partitions"], facts["partitions"]):
            assert (ours["number"], ours["start"], ours["size"]) == (theirs["number"], theirs["start"], theirs["size"]), ours
            if "crc32" in theirs:
                assert ours["tool"] == "partclone" and ours["compression"] in ("zstd", "gzip"), ours
                assert 0 < ours["used-size"] <= ours["size"], ours
                assert ours["pieces"] == sorted(os.path.basename(f) for f in glob.glob("\(name)/" + ours["partition"] + ".*"))
                assert ours["stored-size"] == sum(os.path.getsize("\(name)/" + f) for f in ours["pieces"])
            if theirs["kind"] == "swap": assert ours["filesystem"] == "swap" and ours["label"] == theirs["label"], ours
        EOF
        """)
      let listing = try qflash("-src \(name) -list-parts", in: scratch.path, expecting: 0)
      for word in ["vfat", "ext4", "ntfs", "swap"] { #expect(listing.output.contains(word), "\(listing.text)") }
      let info = try qflash("info \(name)", in: scratch.path, expecting: 0)
      for word in ["clonezilla", "ext4", "partclone"] { #expect(info.output.contains(word), "\(info.text)") }
      let check = try restore("--check \(name)")
      #expect(check.output.contains("sound"), "\(check.text)")
    }
    try restore("--list .", expecting: 64)
  }

  /// Changes that only the folder's checksums show are found before there is a table.
  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func checksums() throws {
    let loop = try LoopDevice(size: 24 << 20)
    defer { withExtendedLifetime(loop) {} }
    // An empty frame that every decoder skips.
    try scratch.shell("printf '\\x50\\x2a\\x4d\\x18\\x00\\x00\\x00\\x00' >> $(ls gpt/*p2.*)")
    let ran = try restore("gpt \(loop.node) --yes", expecting: 65)
    #expect(ran.error.contains("B2SUMS") && ran.error.contains("p2."), "\(ran.text)")
    #expect(ran.error.contains("do not use it"), "\(ran.text)")
    #expect(try shell("sfdisk -d \(loop.node)", expecting: nil).status != 0)
    try restore("--check gpt", expecting: 65)
    try restore("gpt \(loop.node) --yes --ignore-checksums")
    try compare(loop.node, "gpt", zeroed: false, sameSize: true)
  }

  /// Damage is found before anything is written, wherever the lists or the headers show it.
  @Test(
    .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"),
    arguments: [
      ("rm mbr/*p5.*", 65, "has no image"), ("echo ../../x >> mbr/parts", 65, "no disk or partition"),
      ("rm mbr/$(cat mbr/disk)-mbr mbr/*-pt.sf mbr/*.parted*", 65, "partition table"),
      ("echo \"vg /dev/$(cat mbr/disk)p5 u\" > mbr/lvm_vg_dev.list; rm mbr/*p5.*", 65, "LVM"),
      ("echo \"/dev/$(cat mbr/disk)p5 u crypt\" > mbr/luks-dev.list; rm mbr/*p5.*", 65, "LUKS"),
      ("for f in mbr/*; do head -c 999 /dev/urandom > $f; done; touch mbr/ecryptfs.info", 65, "eCryptfs"),
      ("f=$(ls mbr/*p5.*); split -b 3000 $f $f.; rm $f $f.ab", 65, "piece"),
      ("mv mbr/*p7.* mbr/$(cat mbr/disk)p1.ntfs-ptcl-img.gz; rm mbr/*p1.fat*", 65, "p7"),
      ("f=$(ls mbr/*p7.*); rm mbr/*p1.fat*; cp $f mbr/$(cat mbr/disk)p1.ntfs-ptcl-img.gz", 65, "the table gives it"),
      ("rm mbr/*p5.*; ln -s /etc/passwd mbr/$(cat mbr/disk)p5.ext4-ptcl-img.gz", 65, "outside"),
      ("f=$(ls mbr/*p5.*); head -c 50 /dev/urandom > $f", 65, "p5"),
    ] as [(String, Int32, String)])
  func nothingIsWritten(_ script: String, _ status: Int32, _ words: String) throws {
    let loop = try LoopDevice(size: 32 << 20)
    defer { withExtendedLifetime(loop) {} }
    let before = try digest(loop.node)
    try scratch.shell("rm -f mbr/*SUMS; \(script)")
    let ran = try restore("mbr \(loop.node) --yes", expecting: nil)
    #expect(ran.status == status && ran.error.contains(words), "\(ran.status): \(ran.text)")
    #expect(ran.error.contains("nothing was written") || ran.error.contains("not changed"), "\(ran.text)")
    #expect(try digest(loop.node) == before)
  }

  /// What older versions of ocs-sr called their images, of one partition of a disk that an old sfdisk described.
  @Test(arguments: [
    ("ntfsclone/v10.1", "cat > sda1.ntfs-img"), ("ntfsclone/v10.1", "gzip | split -b 9000 - sda1.ntfs-img."),
    ("partclone/v1-big-endian", "gzip > sda1.ext3-img"),
    ("partclone/crc32", "zstd -q | split -b 2000 - sda1.ext4-img."),
    ("partclone/crc32", "xz | split -a 3 -b 2000 - sda1.ext4-ptcl-img.xz."), ("partimage/ext2", "gzip > sda1.000"),
    ("partimage/ext2", "gzip | split -b 9000 - sda1."), ("partimage/volumes", "gzip > sda1.000"),
  ])
  func olderForms(_ image: String, _ way: String) throws {
    let images = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined() + "/TestImages"
    try scratch.shell(
      """
      mkdir old; cd old
      zstd -dqc '\(images)/\(image).img.zst' | \(way)
      for volume in '\(images)/\(image)'.img.zst.[0-9]*; do
        [ ! -e "$volume" ] || zstd -dqc "$volume" | gzip > sda1.${volume##*.}
      done
      size=$(python3 -c 'import json; print(json.load(open("\(images)/\(image).json"))["size"])')
      echo sda > disk; echo sda1 > parts
      printf '# partition table of /dev/sda\\nunit: sectors\\n\\n/dev/sda1 : start=       63, size=%9d, Id=83, bootable\\n' \
        $((size / 512)) > sda-pt.sf
      md5sum * > ../sums; mv ../sums MD5SUMS
      """)
    for (words, offset) in [("old:sda1 part", 0), ("old disk.out", 63)] {
      try restore("\(words) --no-boot-sector-fix")
      try scratch.shell(
        """
        python3 -c '
        import json, zlib
        facts = json.load(open("\(images)/\(image).json"))
        data = open("\(words.split(separator: " ")[1])", "rb").read()[\(offset * 512):]
        assert len(data) == facts["size"], len(data)
        assert zlib.crc32(data) == facts.get("unfixed-crc32", facts["crc32"])'
        """)
    }
    let listed = try restore("--list old --json")
    #expect(!listed.output.contains("problem"), "\(listed.text)")
    // A byte that no decoder misses.
    try scratch.shell("f=$(ls old/sda1.* | tail -n 1); truncate -s -1 $f")
    try restore("old:sda1 part", expecting: 65)
  }

  @Test(arguments: [
    "cat > sda1.dd-img", "gzip > sda1.dd-img", "zstd -q | split -b 9000 - sda1.dd-img.",
    "cat > sda1.dd-ptcl-img.uncomp",
  ])
  func imagesOfAllBytes(_ way: String) throws {
    // It starts as a qcow2 image does, and is none.
    try scratch.shell(
      """
      (printf 'QFI\\xfb'; head -c 1048572 /dev/urandom) > bytes; mkdir old; cd old; cat ../bytes | \(way)
      echo sda1 > parts; echo '/dev/sda1 : start= 2048, size= 2048, Id=83' > sda-pt.sf
      """)
    try restore("old:1 part; cmp part bytes")
    try restore("old disk.out; cmp <(tail -c 1M disk.out) bytes")
    // A partition that is not all there, or more than all.
    for size in ["1024", "4096"] {
      try scratch.shell("sed -i 's/size= *[0-9]*/size= \(size)/' old/sda-pt.sf")
      try restore("old disk.out", expecting: 65)
    }
  }

  @Test func severalDisks() throws {
    let name = try scratch.shell("cat mbr/disk").output.split(separator: "\n")[0]
    try scratch.shell(
      """
      rm -f */*SUMS; cp -r gpt both; cd mbr
      for f in \(name)* swappt*; do cp $f ../both/$(echo $f | sed 's/\(name)p/sdb/; s/\(name)/sdb/'); done
      echo "\(name) sdb" > ../both/disk; (cat ../gpt/parts; sed 's/\(name)p/sdb/g' parts) > ../both/parts
      """)
    let ran = try restore("both out", expecting: 64)
    #expect(ran.error.contains("2 disks") && ran.error.contains("sdb"), "\(ran.text)")
    try restore("both:sdb out --no-boot-sector-fix")
    try compare("out", "mbr", zeroed: true, sameSize: true)
    try restore("both:/dev/\(name) out --no-boot-sector-fix")
    try compare("out", "gpt", zeroed: true, sameSize: true)
    try restore("both:sdb5 part; e2fsck -fn part")
    #expect(try restore("--list both").output.contains("sdb7"))
    try qflash("-src both:sdb -list-parts", in: scratch.path, expecting: 0)
  }

  @Test func aDiskWithoutTable() throws {
    try scratch.shell(
      """
      mkdir bare; cp $(ls gpt/*p2.*) bare/sda.ext4-ptcl-img.zst; echo sda | tee bare/disk > bare/parts
      """)
    try restore("bare out; e2fsck -fn out")
    #expect(try restore("--list bare").output.contains("ext4"))
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func nothingOfAnOldTableStays() throws {
    let loop = try LoopDevice(size: 40 << 20)
    defer { withExtendedLifetime(loop) {} }
    try restore("gpt \(loop.node) --yes")
    let dry = try restore("mbr \(loop.node) --yes --dry-run")
    #expect(dry.output.contains("nothing was written"), "\(dry.text)")
    try compare(loop.node, "gpt", zeroed: false, sameSize: false)
    try restore("mbr \(loop.node) --yes")
    try compare(loop.node, "mbr", zeroed: false, sameSize: false)
    try scratch.shell("blockdev --flushbufs \(loop.node); test \"$(wipefs -n -i \(loop.node) | grep -c gpt)\" = 0")
    try scratch.shell("partx -a \(loop.node)")
    defer { _ = try? scratch.shell("partx -d \(loop.node)") }
    let part = try restore("mbr \(loop.node)p1 --yes", expecting: 73)
    #expect(part.error.contains("is a partition"), "\(part.text)")
    try restore("mbr:5 \(loop.node)p5 --yes; e2fsck -fn \(loop.node)p5")
  }
}
