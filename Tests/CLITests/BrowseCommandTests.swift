import Support
import Testing

/// ls, cat, get, stat and check on real volumes, against the kernel's own view of them.
@Suite(.serialized, .timeLimit(.minutes(4))) struct BrowseCommandTests {
  private static let tool = "'\(Machine.binaries)/qflash'"
  /// Runs a command as nobody.
  private static let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"

  let scratch: Scratch

  /// A GPT with a FAT volume, an ext4 volume full of what trees can hold, and an empty partition; `disk.qcow2` is the same
  /// compressed, `ext` the second partition alone.
  init() throws {
    scratch = try Scratch()
    try scratch.shell(
      """
      chmod 755 .; mkdir tree; cd tree; mkdir -p etc/sub usr/bin; echo root:x:0 > etc/passwd; ln etc/passwd etc/passwd-
      ln -s ../passwd etc/sub/link; ln -s /etc abs; echo hi > $'odd\\xff\\nname'; echo hidden > .hidden
      truncate -s 30M sparse; printf data | dd of=sparse bs=1 seek=10000000 conv=notrunc status=none; truncate -s 9G hole
      printf '#!/bin/sh\\n' > usr/bin/tool; mkfifo pipe; head -c 3M /dev/urandom > big
      long=$(printf 'n%.0s' $(seq 120)); mkdir -p $long/$long; echo x > $long/$long/é
      cd ..; truncate -s 40M ext; mke2fs -q -t ext4 -L system -d tree ext
      truncate -s 8M esp; mkfs.vfat -n ESP esp > /dev/null; mmd -i esp ::EFI; mcopy -i esp tree/big '::EFI/A Long Name.bin'
      truncate -s 60M disk.raw
      printf 'label: gpt\\nsize=8M,type=U,name="EFI"\\nsize=40M,name=root\\nsize=1M,name=empty\\n' | sfdisk -q disk.raw
      dd if=esp of=disk.raw bs=1M seek=1 conv=notrunc status=none
      dd if=ext of=disk.raw bs=1M seek=9 conv=notrunc status=none
      qemu-img convert -c -O qcow2 disk.raw disk.qcow2
      """)
  }

  /// Prints all that stat(2), listxattr(2) and read(2) say of a tree.
  private static let summary = """
    import hashlib, os, stat, sys
    root, words, out, first = os.fsencode(sys.argv[1]), sys.argv[2:], [], {}
    for folder, folders, files in os.walk(root):
        for name in sorted(folders + files):
            path = os.path.join(folder, name); s = os.lstat(path); r = os.path.relpath(path, root); kind = stat.S_IFMT(s.st_mode)
            if b"lost+found" in r or kind == stat.S_IFSOCK or ("nodevices" in words and kind in (stat.S_IFBLK, stat.S_IFCHR)): continue
            names = [n for n in os.listxattr(path, follow_symlinks=False) if "owners" in words or not n.startswith("security.")]
            what = {stat.S_IFLNK: lambda: os.readlink(path), stat.S_IFBLK: lambda: s.st_rdev, stat.S_IFCHR: lambda: s.st_rdev}.get(kind, lambda: "")()
            if kind == stat.S_IFREG and s.st_size < 1 << 30: what = hashlib.md5(open(path, "rb").read()).hexdigest()
            out.append((r, oct(s.st_mode if "owners" in words else s.st_mode & ~0o6000),
                        (s.st_uid, s.st_gid) if "owners" in words else 0, s.st_mtime_ns, s.st_size if kind == stat.S_IFREG else 0, what,
                        sorted((n, os.getxattr(path, n, follow_symlinks=False)) for n in names),
                        first.setdefault(s.st_ino, r) if kind != stat.S_IFDIR else b"", s.st_blocks < 64 if s.st_size > 1 << 24 else 0))
    for one in sorted(out): print(one)
    """

  /// What mke2fs cannot be told: owners, ACLs, attributes, times with nanoseconds.
  private static let decoration = """
    import os, stat, struct
    os.setxattr("etc/passwd", "user.note", b"hello\\0x")
    os.setxattr("etc/passwd", "user.a=b%", b"eq")
    os.chown("usr/bin/tool", 1000, 3000000); os.chmod("usr/bin/tool", 0o4755)
    os.setxattr("usr/bin/tool", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    acl = lambda *e: struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *x) for x in e)
    u = 0xffffffff
    os.setxattr("etc/sub", "system.posix_acl_access", acl((1, 7, u), (2, 4, 1000), (4, 5, u), (16, 5, u), (32, 5, u)))
    os.setxattr("etc/sub", "system.posix_acl_default", acl((1, 7, u), (2, 7, 1001), (4, 5, u), (16, 7, u), (32, 0, u)))
    os.mknod("node", stat.S_IFBLK | 0o640, os.makedev(259, 70000)); os.mknod("char", stat.S_IFCHR | 0o600, os.makedev(5, 1))
    os.chmod("etc/sub", 0o1555)
    os.utime("etc/sub", ns=(-10**9, -150396292750000001)); os.utime("big", ns=(0, 1234567890123456789))
    """

  /// Decorates the ext4 volume through the kernel, and leaves in `theirs.*` what it says of the tree.
  private func decorate() throws {
    try scratch.shell(
      """
      cat > summary.py <<'PYTHON'
      \(Self.summary)
      PYTHON
      cat > decorate.py <<'PYTHON'
      \(Self.decoration)
      PYTHON
      mkdir mnt; mount -o loop ext mnt; trap 'umount mnt' EXIT
      (cd mnt; python3 ../decorate.py)
      python3 summary.py mnt owners > theirs.owners; python3 summary.py mnt nodevices > theirs.nobody
      (cd mnt; TZ=UTC ls -lnAUR --time-style=long-iso . | sed -E 's/^([-a-z]{9}[-xsStT])\\+/\\1 /' > ../theirs.ls)
      """)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
  func treesAsTheKernelSeesThem() throws {
    try decorate()
    try scratch.shell(
      """
      mkdir out; \(Self.tool) get --devices ext / out 2> err; test ! -s err
      python3 summary.py out owners > ours; diff theirs.owners ours
      \(Self.tool) get --tar ext 2> err > tar; mkdir untarred; test $(stat -c %s tar) -lt 8000000
      tar --xattrs --xattrs-include='*' --numeric-owner -xpf tar -C untarred 2> tar.err
      ! grep -v 'implausibly old' tar.err
      python3 summary.py untarred owners > ours; diff theirs.owners ours
      tar --acls -tvvf tar 2> /dev/null | grep -c 'user:1000:r--'
      python3 - <<'PYTHON'
      import tarfile
      t = tarfile.open("tar")
      names = {m.name: m for m in t}
      assert names["./hole"].size == 9 << 30 and names["./sparse"].issparse(), names["./sparse"]
      data = t.extractfile("./sparse").read()
      assert len(data) == 30 << 20 and data.strip(b"\\0") == b"data" and data.index(b"data") == 10000000
      assert names["./etc/passwd-"].islnk() and names["./etc/passwd-"].linkname == "./etc/passwd", names["./etc/passwd-"].linkname
      assert names["./usr/bin/tool"].gid == 3000000 and names["./node"].devminor == 70000
      PYTHON
      """)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
  func treesAsNobody() throws {
    try decorate()
    let ran = try scratch.shell(
      """
      mkdir -m 777 out; \(Self.nobody) \(Self.tool) get ext / out
      python3 summary.py out > ours; diff theirs.nobody ours
      """)
    for says in ["owners are not set", "2 devices left out", "set-user-ID", "security"] {
      #expect(ran.error.contains(says), "\(ran.text)")
    }
    try scratch.shell(
      """
      ! \(Self.nobody) \(Self.tool) get --owner ext usr out 2> err; grep -q 'did not get their owners' err; test -f out/usr/bin/tool; test ! -u out/usr/bin/tool
      \(Self.nobody) \(Self.tool) get --tar ext etc usr > tar; tar -tf tar | grep -x etc/sub/link > /dev/null
      \(Self.nobody) \(Self.tool) get ext big - | cmp - tree/big
      """)
  }

  /// Out of a Clonezilla folder whose image is compressed and split.
  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
  func foldersAsNobody() throws {
    try decorate()
    try scratch.shell(
      """
      mkdir saved; echo sda > saved/disk; echo sda1 > saved/parts; echo '/dev/sda1 ext4 40M' > saved/dev-fs.list
      printf 'label: dos\\nunit: sectors\\n\\n/dev/sda1 : start= 2048, size= 81920, type=83\\n' > saved/sda-pt.sf
      partclone.ext4 -c -s ext -q -L log -o - 2> /dev/null | zstd -q | split -b 300K - saved/sda1.ext4-ptcl-img.zst.
      test $(ls saved | wc -l) -gt 8; (cd saved; sha256sum * > ../sums; mv ../sums SHA256SUMS); chmod -R a+rX saved
      mkdir -m 777 out tmp; export TMPDIR=$PWD/tmp
      \(Self.nobody) \(Self.tool) get saved:sda1 / out 2> err; grep -q 'unpacked to a temporary file' err
      python3 summary.py out > ours; diff theirs.nobody ours; test -z "$(ls -A tmp)"
      \(Self.nobody) \(Self.tool) cat saved:1 big | cmp - tree/big; \(Self.nobody) \(Self.tool) ls saved:/dev/sda1 etc | grep -cx passwd
      """)
  }

  /// Uncompressed, a split backup is read where it is.
  @Test func splitBackupsAreReadInPlace() throws {
    try scratch.shell(
      """
      partclone.ext4 -c -s ext -q -L log -o pcl 2> /dev/null; split -b 100000 -a 3 pcl pcl.; rm pcl
      ulimit -n 100; test $(ls pcl.* | wc -l) -gt 60; \(Self.tool) ls -laR ext > want
      TMPDIR=/nowhere \(Self.tool) ls -laR pcl.abc > split; cmp want split; TMPDIR=/nowhere \(Self.tool) cat pcl.aaa big | cmp - tree/big
      """)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
  func listsAsLsDoes() throws {
    try decorate()
    // Line by line, the columns' widths and the order left aside.
    try scratch.shell(
      """
      cat > lines.py <<'PYTHON'
      import re, sys
      lines = [re.sub(r" +", " ", l.strip()) for l in sys.stdin.buffer.read().decode("latin-1").splitlines()]
      for l in sorted(l for l in lines if re.match(r"[-a-z]{10} ", l) and "odd" not in l and "\\xc3" not in l): print(re.sub(r"^(d\\S+ \\S+ \\S+ \\S+) \\S+", r"\\1", l))
      PYTHON
      TZ=UTC \(Self.tool) ls -laR ext > ours.ls
      python3 lines.py < theirs.ls > a; python3 lines.py < ours.ls > b; test $(wc -l < a) -gt 15; diff a b
      grep -q 'odd.xff.x0aname' ours.ls
      """)
  }

  @Test func choosesTheVolume() throws {
    let undecided = try qflash("ls disk.qcow2", in: scratch.path)
    #expect(undecided.status == 64 && undecided.error.contains("ext4 \"system\""), "\(undecided.text)")
    for words in [
      "ls disk.qcow2:2 etc", "ls --partition 2 disk.qcow2 /etc/", "ls -partition=2 disk.raw etc", "ls ext etc",
    ] {
      #expect(try qflash(words, in: scratch.path, expecting: 0).output == "passwd\npasswd-\nsub\n", "\(words)")
    }
    #expect(try qflash("ls disk.raw:1 /efi", in: scratch.path, expecting: 0).output == "A Long Name.bin\n")
    for (words, status, says) in [
      ("ls disk.raw:9", 64, "no partition 9"), ("ls disk.raw:3", 65, "no filesystem"),
      ("ls ext:2", 64, "no partition table"),
      ("ls disk.raw:1 --partition 2", 64, "names partition 1"), ("ls nothing:1", 66, "nothing"),
      ("cat ext nothing", 66, "no such file"), ("cat ext etc", 66, "is a directory"),
      ("stat ext etc/passwd/x", 66, "not a directory"),
      ("get ext big", 64, "where to"), ("get ext big nowhere/x", 73, "no folder"),
      ("get ext big /dev/null", 73, "standard output"),
      ("get ext big etc tree/abs/none", 73, "no folder"), ("ls ext --partition 0", 64, "from 1 on"),
    ] as [(String, Int32, String)] {
      let ran = try qflash(words, in: scratch.path)
      #expect(ran.status == status && ran.error.contains(says), "\(words): \(ran.status) \(ran.text)")
    }
    // A file whose name looks like a partition's is itself.
    try scratch.shell("cp ext disk.raw:2; head -c 1M /dev/urandom > ext:1")
    #expect(try qflash("ls disk.raw:2 usr", in: scratch.path, expecting: 0).output == "bin\n")
    #expect(try qflash("ls ext:1", in: scratch.path).status == 65)
  }

  @Test func onePartitionNeedsNoName() throws {
    try scratch.shell(
      """
      truncate -s 50M one; printf 'label: dos\\n,40M\\n,1M\\n' | sfdisk -q one
      dd if=ext of=one bs=1M seek=1 conv=notrunc status=none
      test "$(\(Self.tool) cat one etc/passwd)" = root:x:0; test "$(gzip -c one | \(Self.tool) cat - etc/passwd)" = root:x:0
      """)
  }

  @Test func compressedAndSplitBackups() throws {
    try scratch.shell(
      """
      partclone.ext4 -c -s ext -q -L log -o sda1.ext4-ptcl-img 2> /dev/null
      gzip -k sda1.ext4-ptcl-img; split -b 1M sda1.ext4-ptcl-img.gz sda1.ext4-ptcl-img.gz.; rm sda1.ext4-ptcl-img.gz
      \(Self.tool) ls -laR ext > want
      mkdir tmp; TMPDIR=$PWD/tmp \(Self.tool) ls -laR sda1.ext4-ptcl-img.gz.aa > split 2> err; cmp want split
      grep -q 'unpacked to a temporary file' err; test -z "$(ls -A tmp)"
      TMPDIR=/nowhere \(Self.tool) ls -laR sda1.ext4-ptcl-img > plain 2> err; cmp want plain
      ! TMPDIR=/nowhere \(Self.tool) ls sda1.ext4-ptcl-img.gz.aa 2> err
      """)
  }

  @Test func theRestOfGet() throws {
    try scratch.shell(
      """
      \(Self.tool) get ext big renamed > says; cmp renamed tree/big; grep -q '1 file and 0 folders' says
      \(Self.tool) get ext etc copy; test copy/passwd -ef copy/passwd-; \(Self.tool) get ext abs link; test -L link
      mkdir into; \(Self.tool) get ext etc/passwd usr $'odd\\\\xff\\\\x0aname' into; test -f into/usr/bin/tool; test -f $'into/odd\\xff\\nname'
      \(Self.tool) get disk.raw:1 EFI from-fat; cmp 'from-fat/A Long Name.bin' tree/big
      \(Self.tool) ls -R ext | head -1 > /dev/null
      status=0; \(Self.tool) get ext big nothing into 2> err || status=$?; test $status = 66; cmp into/big tree/big; grep -q nothing err
      status=0; \(Self.tool) cat ext big > /dev/full 2> err || status=$?; test $status = 74; grep -q 'No space' err
      \(Self.tool) ls --json -R -a ext | python3 -c '
      import json, sys
      rows = [json.loads(l) for l in sys.stdin]
      odd = [r for r in rows if "name-bytes" in r]
      assert len(odd) == 1 and bytes.fromhex(odd[0]["name-bytes"]) == b"odd\\xff\\nname", odd
      link = [r for r in rows if r["path"] == "/etc/sub/link"][0]
      assert link["target"] == "../passwd" and link["kind"] == "symbolic link", link'
      \(Self.tool) stat ext abs | grep -c 'symbolic link'; \(Self.tool) stat --json ext | grep -c '"label":"system"'
      """)
  }

  /// A FAT32 whose boot sector is gone is read by its copy, unless something else was put on the volume since.
  @Test func aLostBootSector() throws {
    try scratch.shell(
      """
      truncate -s 40M fat; mkfs.fat -F 32 -s 1 fat > log; mcopy -i fat tree/big ::; truncate -s 60M parts
      printf 'label: gpt\\n,40M,U\\n' | sfdisk -q parts; dd if=/dev/zero of=fat bs=512 count=1 conv=notrunc status=none
      dd if=fat of=parts bs=1M seek=1 conv=notrunc status=none
      for image in fat parts; do
        \(Self.tool) get $image big out 2> err; cmp out tree/big; rm out; grep -q 'its copy in sector 6 is read' err
        ! \(Self.tool) check $image > says; grep -q 'boot sector is damaged' says
      done
      mkswap -q fat; ! \(Self.tool) ls fat 2> err; grep -q 'no driver for swap' err
      """)
  }

  /// Sources that would replace each other are refused before anything is written.
  @Test func twoSourcesOfOneName() throws {
    try scratch.shell(
      """
      mkdir -p tree2/again/etc; echo other > tree2/again/etc/passwd; truncate -s 20M two; mke2fs -q -t ext4 -d tree2 two
      mkdir into
      """)
    for (words, says) in [
      ("ext etc/passwd etc/sub/../passwd", "/etc/passwd and /etc/passwd"), ("ext big big", "both become into/big"),
      ("two again/etc /again/etc/", "both become into/etc"), ("two / again", "both become into/again"),
      ("two again /", "both become into/again"), ("two / /", "/ and /"),
    ] {
      let ran = try qflash("get \(words) into", in: scratch.path)
      #expect(ran.status == 64 && ran.error.contains(says), "\(words): \(ran.status) \(ran.text)")
    }
    try scratch.shell("test -z \"$(ls -A into)\"")
    try qflash("get two / again/etc/passwd into", in: scratch.path, expecting: 0)
    try scratch.shell("cmp into/passwd into/again/etc/passwd")
    try qflash("get --tar ext big big > tar", in: scratch.path, expecting: 0)
  }

  @Test func checks() throws {
    let sound = try qflash("check disk.qcow2", in: scratch.path, expecting: 0)
    for says in ["GPT: sound", "partition 1 (vfat \"ESP\"): sound", "(ext4 \"system\"): sound", "not looked at"] {
      #expect(sound.output.contains(says), "\(sound.text)")
    }
    try scratch.shell(
      """
      cp disk.raw bad; printf XXXX | dd of=bad bs=1 seek=$(((9 << 20) + 1024 + 200)) conv=notrunc status=none
      cp disk.raw short; truncate -s 30M short; cp disk.raw nobackup; truncate -s 70M nobackup
      cp disk.raw broken; printf X | dd of=broken bs=1 seek=$(((60 << 20) - 500)) conv=notrunc status=none
      """)
    for (name, status) in [("bad", 65), ("short", 65), ("broken", 65), ("nobackup", 0)] as [(String, Int32)] {
      let ran = try qflash("check \(name) --json", in: scratch.path)
      #expect(ran.status == status && ran.output.contains("\"sound\":\(status == 0)"), "\(name): \(ran.text)")
    }
    #expect(try qflash("check bad:1", in: scratch.path).status == 0)
    #expect(try qflash("check bad:2", in: scratch.path).status == 65)
    #expect(try qflash("check bad:8", in: scratch.path).status == 64)
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: [512, 4096])
  func devicesAreChecked(sectorSize: Int) throws {
    let loop = try LoopDevice(size: 70 << 20, sectorSize: sectorSize)
    defer { withExtendedLifetime(loop) {} }
    try scratch.shell("partclone.ext4 -c -s ext -q -L log -o pcl 2> /dev/null")
    let restored = try scratch.shell("'\(Machine.binaries)/restore' --yes --offset 4096 pcl \(loop.node)")
    #expect(restored.output.contains("quick check: ext4 \"system\" sound"), "\(restored.text)")
    let whole = try scratch.shell("'\(Machine.binaries)/restore' --yes pcl \(loop.node)")
    #expect(whole.output.contains("quick check: ext4 \"system\" sound"), "\(whole.text)")
    #expect(try qflash("cat \(loop.node) etc/passwd", in: scratch.path, expecting: 0).output == "root:x:0\n")
    guard sectorSize == 512 else { return }
    for image in ["disk.qcow2", "- < disk.raw"] {
      let flashed = try qflash("-yes -dst \(loop.node) -src \(image)", in: scratch.path, expecting: 0)
      #expect(flashed.output.contains("quick check: GPT sound; partition 1"), "\(flashed.text)")
      #expect(try qflash("check \(loop.node)", in: scratch.path).status == 0)
    }
  }

  @Test func aFlashEndsInACheck() throws {
    let sound = try qflash("-src disk.qcow2 -dst out", in: scratch.path, expecting: 0)
    #expect(sound.output.contains("quick check: GPT sound") && sound.output.contains("ext4"), "\(sound.text)")
    let none = try qflash("-src disk.qcow2 -dst out --no-check", in: scratch.path, expecting: 0)
    #expect(!none.output.contains("check"), "\(none.text)")
    let piece = try qflash("-src disk.qcow2 -write-parts 2=out --json", in: scratch.path, expecting: 0)
    #expect(piece.output.contains("\"check\":{\"sound\":true"), "\(piece.text)")
    // Damage is said and is no failure of the flash; what is no filesystem is no news.
    try scratch.shell("cp ext bad; printf XXXX | dd of=bad bs=1 seek=$((1024 + 200)) conv=notrunc status=none")
    let bad = try qflash("-src bad -dst out", in: scratch.path, expecting: 0)
    #expect(bad.error.contains("warning: out") && bad.output.contains("DAMAGED"), "\(bad.text)")
    try scratch.shell("truncate -s 8M ntfs; mkntfs -q -F -Q ntfs > /dev/null 2>&1")
    let ntfs = try qflash("-src ntfs -dst out", in: scratch.path, expecting: 0)
    #expect(ntfs.output.contains("not looked at: ntfs: no driver"), "\(ntfs.text)")
    try qflash("-src bad -dst out -no-check", in: scratch.path, expecting: 0)
    try scratch.shell("cmp bad out; head -c 1000001 /dev/urandom > noise; gzip -k noise")
    for name in ["noise", "noise.gz"] {
      let noise = try qflash("-src \(name) -dst out", in: scratch.path, expecting: 0)
      #expect(!noise.text.contains("check"), "\(noise.text)")
    }
  }
}
