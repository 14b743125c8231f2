import Support
import Testing

/// `qflash patch` and its everyday relatives on an exFAT partition that exfat-fuse filled, looked at by fsck.exfat and
/// exfat-fuse beside a folder that is changed in the same way.
@Suite(.serialized, .timeLimit(.minutes(4)), .enabled(if: ExFATFUSE.isUsable, "needs root and exfat-fuse"))
struct ExFATCommandTests {
  private static let tool = "\(PatchedDisk.nobody) \(PatchedDisk.tool)"

  let scratch: Scratch

  /// A GPT as `disk.raw` with exFAT as its second partition, compressed as `disk.qcow2`; `want` is what it should show.
  init() throws {
    scratch = try Scratch()
    try scratch.shell(
      ExFATFUSE.mounting + """
        chmod 755 .; mkdir want; cd want; mkdir -p etc/sub usr/lib srv var/log/many; echo old-name > etc/hostname
        echo one > etc/motd; head -c 300000 /dev/urandom > usr/lib/untouched; head -c 50000 /dev/urandom > 'usr/lib/Größe und länger als fünfzehn'
        for i in $(seq 60); do echo $i > var/log/many/f$i; done; : > etc/empty; cd ..
        truncate -s 40M exfat; mkfs.exfat -c 4K exfat > log; volume=exfat mount_it; cp -r --preserve=timestamps want/. mnt; unmount_it
        truncate -s 50M disk.raw; printf 'label: gpt\\nsize=1M,name=first\\nsize=40M,name=data,type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7\\n' | sfdisk -q disk.raw
        dd if=exfat of=disk.raw bs=1M seek=2 conv=notrunc,sparse status=none; qemu-img convert -c -O qcow2 disk.raw disk.qcow2
        chown 65534 disk.raw exfat; sha256sum want/usr/lib/* > untouched
        """)
  }

  /// Changes `want` by `script`; fsck.exfat must find nothing, and exfat-fuse show the same.
  private func expect(on disk: String = "disk.raw", _ script: String) throws {
    let found = try scratch.shell(
      ExFATFUSE.mounting + """
        ( cd want; \(script) )
        sgdisk -v \(disk) | grep -q 'No problems found'; dd if=\(disk) of=now bs=1M skip=2 count=40 status=none
        fsck.exfat -n now > checked 2>&1; test $(wc -l < checked) = 2; grep -q ': clean\\.' checked
        volume=now mount_it -o ro; status=0; diff -r want mnt || status=$?
        ( cd want; find . -type f -newermt 2001-01-01 ! -newermt 2001-12-31 -printf '%p %T@\\n' | sort ) > times
        ( cd mnt; find . -type f -newermt 2001-01-01 ! -newermt 2001-12-31 -printf '%p %T@\\n' | sort ) | diff times - || status=$?
        ( cd mnt; sha256sum usr/lib/* | sed 's,  ,  want/,' ) | diff untouched - || status=$?
        unmount_it; exit $status
        """, expecting: nil)
    #expect(found.status == 0, "\(found.text)")
  }

  @Test func everydayCommandsAsNobody() throws {
    let tool = Self.tool
    try scratch.shell(
      """
      echo hello > 'a b'; mkdir -p dir/sub; echo x > dir/sub/x; echo local > host.txt; touch -d '2001-02-03 04:05:06Z' dir/sub/x
      \(tool) put disk.raw:2 'a b' dir /srv; \(tool) put disk.raw:2 dir /srv/copy; echo piped | \(tool) put disk.raw:2 - srv/p
      \(tool) put --parents disk.raw:2 host.txt /srv/x/y/z; \(tool) mkdir -p disk.raw:2 /srv/m/n; \(tool) mkdir disk.raw:2 srv/tmp
      \(tool) mv disk.raw:2 /srv/p /ETC/motd /srv/m; \(tool) mv disk.raw:2 /srv/m/p /srv/m/Q; \(tool) mv disk.raw:2 /srv/m/Q /srv/m/q
      \(tool) put disk.raw:2 host.txt /etc/hostname; \(tool) put disk.raw host.txt 2:/etc/empty; \(tool) mv disk.raw:2 /srv/tmp /var/moved
      \(tool) touch disk.raw:2 /srv/new; \(tool) truncate -s 1M disk.raw:2 /srv/new; \(tool) touch -c disk.raw:2 /srv/none
      \(tool) truncate -s 3 disk.raw:2 /srv/m/motd; \(tool) chmod disk.raw:2 444 /srv/m/q
      \(tool) rm -r disk.raw:2 /var/log; \(tool) rm -f disk.raw:2 /srv/none; \(tool) rm disk.raw:2 '/srv/a b'
      """)
    try expect(
      """
      mkdir -p srv/x/y srv/m/n var/moved; cp -r ../dir srv/; cp -r ../dir srv/copy; touch -d '2001-02-03 04:05:06Z' srv/*/sub/x
      cp ../host.txt srv/x/y/z; cp ../host.txt etc/hostname; cp ../host.txt etc/empty; mv etc/motd srv/m/; echo piped > srv/m/q
      truncate -s 1M srv/new; truncate -s 3 srv/m/motd; rm -r var/log
      """)
    let listed = try scratch.shell("\(tool) ls -l disk.raw:2 /srv/m/q; \(tool) cat disk.raw:2 /srv/m/q").output
    #expect(listed.hasPrefix("-r--r--r-- ") && listed.hasSuffix("piped\n"), "\(listed)")
  }

  @Test func everyOptionInItsOrderAsNobody() throws {
    try scratch.shell(
      """
      printf 'new-name\\n' > name; chmod 644 name; mkdir -p site/conf site/lib/deep site/ETC; echo conf > site/conf/a; head -c 100000 /dev/urandom > site/lib/deep/m
      echo full > site/ETC/EMPTY; touch -d '2001-02-03 04:05:06Z' site/lib/deep/m
      cat > list.toml <<'END'
      \(EveryPatchOption.list())
      END
      """)
    let own = """
      --patch-append '/etc/motd=two\\n' --patch-mode '/etc/t\\=x=0444' \
      --patch-text '2:/srv/a name of more than fifteen characters=hello'
      """
    let ran = try scratch.shell(
      "echo from stdin | \(Self.tool) patch disk.raw \(EveryPatchOption.words(own))")
    #expect(
      ran.output.contains("patched: /etc/hostname on disk.raw:2: replaced, 9 bytes (9 bytes before)"), "\(ran.text)")
    #expect(ran.output.contains("compared: ") && ran.output.contains("quick check: GPT sound"), "\(ran.text)")
    try expect(
      """
      cp ../name etc/hostname; printf '1\\n2A' > etc/t=x; mkdir etc/new; printf first > etc/new/b; printf second > etc/new/a
      rm -r var/log/many; cp -r --preserve=timestamps ../site/conf ../site/lib .; echo full > etc/empty; echo two >> etc/motd; printf 'a\\tb\\n' > etc/listed; cp ../name etc/listed2
      truncate -s 3K etc/cut; echo from stdin > etc/piped; printf hello > 'srv/a name of more than fifteen characters'; cp /etc/hosts etc/hosts
      """)
  }

  @Test func copiesDryRunsAndTheVolumeAlone() throws {
    let before = try digest(scratch.file("disk.raw"))
    let words = "--patch-mkdir 2:/a --patch-text 2:/a/b=four --patch-tree 2:/srv=want/usr --patch-rm 2:/etc/sub"
    let dry = try scratch.shell("\(Self.tool) patch disk.raw \(words) --dry-run")
    for line in [
      "would patch: /a on disk.raw:2: created", "would patch: /a/b on disk.raw:2: created, 4 bytes",
      "would patch: /srv on disk.raw:2: filled", "nothing was written",
    ] { #expect(dry.output.contains(line), "\(line): \(dry.text)") }
    for image in ["disk.raw", "disk.qcow2"] {
      try scratch.shell("\(PatchedDisk.tool) patch \(image) -o copy-\(image) \(words)")
    }
    let after = try digest(scratch.file("disk.raw"))
    #expect(before == after)
    try expect(on: "copy-disk.raw", "mkdir a; printf four > a/b; cp -r usr/. srv; rmdir etc/sub")
    try expect(on: "copy-disk.qcow2", ":")
    // A volume without a table, and a device of larger sectors.
    try scratch.shell(
      "\(Self.tool) patch exfat \(words.replacing("2:/", with: "/")); dd if=exfat of=copy-disk.raw bs=1M seek=2 conv=notrunc status=none"
    )
    try expect(on: "copy-disk.raw", ":")
    try scratch.shell(
      """
      truncate -s 40M medium; loop=$(losetup --find --show --sector-size 4096 medium); trap 'losetup -d $loop' EXIT
      mkfs.exfat $loop > log; \(PatchedDisk.tool) patch $loop --patch-tree /=want > said; fsck.exfat -n $loop > checked; grep -q ': clean\\.' checked
      \(PatchedDisk.tool) get medium / out; diff -r want out
      """)
  }

  /// What is compared afterwards is the last of what went into a file, by whatever spelling of its name.
  @Test func namesThatDifferInCaseAreOneFile() throws {
    try scratch.shell("mkdir -p tree/ETC; echo from the tree > tree/ETC/MOTD")
    let done = try scratch.shell(
      "\(Self.tool) patch disk.raw --patch-append 2:/etc/motd=tree/ETC/MOTD --patch-tree 2:/=tree "
        + "--patch-text 2:/Etc/Second=two --patch-rm 2:/etc/SECOND")
    #expect(!done.output.contains("differs"), "\(done.text)")
    try expect("cp ../tree/ETC/MOTD etc/motd")
  }

  @Test func whatItDoesNotHaveIsRefused() throws {
    try scratch.shell("head -c 60M /dev/zero > large; mkdir folder; ln -s nowhere folder/l")
    let before = try digest(scratch.file("disk.raw"))
    for (words, says) in [
      ("--patch-symlink /etc/l=x", "exFAT has no symbolic links"),
      ("--patch-mode /etc/motd=0700", "exFAT keeps no permissions"),
      ("--patch-owner /etc/motd=7:7", "exFAT keeps no owners"),
      ("--patch-text '/etc/a:b=1'", "is no name that exFAT can store"),
      ("--patch-tree /etc=folder", "exFAT has no symbolic links"),
      ("--patch /etc/x=large", "not enough free space"), ("--patch-mkdir /ETC/SUB", "exists already"),
      ("--patch-rename /etc=/etc/sub/etc", "below itself"), ("--patch-text /etc=1", "/etc: is a directory"),
      ("--patch-text \"/etc/$(printf 'n%.0s' $(seq 256))=1\"", "too long"),
    ] {
      let ran = try scratch.shell(
        "\(Self.tool) patch disk.raw --patch-text /etc/fine=1 \(words)", expecting: nil)
      #expect(ran.status == 73 && ran.error.contains(says), "\(words): \(ran.status) \(ran.text)")
    }
    for (words, says) in [
      ("ln disk.raw:2 /etc/motd /etc/hard", "exFAT has no hard links"),
      ("ln -s disk.raw:2 motd /etc/soft", "exFAT has no symbolic links"),
      ("chown disk.raw:2 5:6 /etc/motd", "exFAT keeps no owners"),
    ] {
      let ran = try scratch.shell("\(Self.tool) \(words)", expecting: nil)
      #expect(ran.status == 73 && ran.error.contains(says), "\(words): \(ran.status) \(ran.text)")
    }
    let after = try digest(scratch.file("disk.raw"))
    #expect(before == after)
  }
}
