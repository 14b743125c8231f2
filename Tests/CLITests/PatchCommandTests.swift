import Support
import Testing

/// `qflash patch` and its everyday relatives, looked at by the kernel, mtools and the volumes' own checkers.
@Suite(.serialized, .timeLimit(.minutes(4)), .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct PatchCommandTests {
  let disk: PatchedDisk
  private var scratch: Scratch { disk.scratch }

  init() throws { disk = try PatchedDisk() }

  @Test func everyOptionInItsOrderAsNobody() throws {
    try scratch.shell(
      """
      chown 65534 disk.raw; printf 'new-name\\n' > name; chmod 640 name; chown 65534 name
      mkdir -p site/conf site/lib/deep; echo conf > site/conf/a; ln site/conf/a site/conf/b; ln -s a site/conf/l
      printf '#!/bin/sh\\n' > site/run; chmod 4755 site/run; truncate -s 1M site/hole; printf end >> site/hole
      echo module > site/lib/deep/m; python3 -c 'import os; os.setxattr("site/run", "user.note", b"hello")'; touch -d '2001-02-03 04:05:06Z' site/run site/lib/deep
      cat > list.toml <<'END'
      \(EveryPatchOption.list("mode = \"0604\"", "owner = \"11:12\""))
      END
      """)
    let own = """
      --patch-append '/etc/motd.link=two\\n' --patch-symlink /etc/localtime=../usr/zone --patch-symlink /etc/dangling=motd \
      --patch-mode /etc/sub=0711 --patch-owner /etc/sub=1000:1001 \
      --patch-text '1:/EFI/a lower long name=hello' --patch-append '1:/EFI/A Long Name.bin=tail'
      """
    let ran = try scratch.shell(
      "echo from stdin | \(PatchedDisk.nobody) \(PatchedDisk.tool) patch disk.raw \(EveryPatchOption.words(own))")
    #expect(
      ran.output.contains("patched: /etc/hostname on disk.raw:2: replaced, 9 bytes (9 bytes before)"), "\(ran.text)")
    #expect(ran.output.contains("compared: ") && ran.output.contains("quick check: GPT sound"), "\(ran.text)")
    let found = try disk.look(
      """
      cat etc/hostname etc/hostname.link; stat -c '%n %a %u:%g %h' etc/hostname etc/sub etc/listed etc/new etc/new/b run etc/t=x etc/listed2 conf/a
      cat etc/t=x; echo; cat etc/motd; cat etc/new/a etc/new/b; echo; test ! -e var/log/many; readlink etc/localtime etc/dangling conf/l etc/motd.link
      cat etc/listed etc/piped; stat -c %s etc/cut hole; test $(stat -c %b hole) -lt 64; cmp hole ../site/hole; test conf/a -ef conf/b
      cat usr/lib/deep/m; python3 -c 'import os; print(os.getxattr("run", "user.note").decode())'; TZ=UTC stat -c %y run usr/lib/deep; cmp etc/hosts /etc/hosts
      mtype -i ../esp.now '::EFI/a lower long name'; echo; mcopy -i ../esp.now '::EFI/A Long Name.bin' - | tail -c 4; echo
      """)
    #expect(
      found == """
        new-name
        new-name
        etc/hostname 644 0:0 2
        etc/sub 711 1000:1001 2
        etc/listed 604 11:12 1
        etc/new 755 0:0 2
        etc/new/b 644 0:0 1
        run 755 0:0 1
        etc/t=x 644 0:0 1
        etc/listed2 640 0:0 1
        conf/a 644 0:0 2
        1
        2A
        one
        two
        secondfirst
        ../usr/zone
        motd
        a
        motd
        a	b
        from stdin
        3072
        1048579
        module
        hello
        2001-02-03 04:05:06.000000000 +0000
        2001-02-03 04:05:06.000000000 +0000
        hello
        tail

        """, "\(found)")
  }

  @Test func everydayCommands() throws {
    try scratch.shell(
      "chown 65534 disk.raw; echo hello > 'a b'; mkdir -p dir/sub; echo x > dir/sub/x; echo local > host.txt")
    let tool = "\(PatchedDisk.nobody) \(PatchedDisk.tool)"
    try scratch.shell(
      """
      set -x
      \(tool) put disk.raw:2 'a b' dir /srv; \(tool) put disk.raw:2 dir /srv/copy; echo piped | \(tool) put disk.raw:2 - srv/p
      \(tool) put --parents disk.raw:2 host.txt /srv/x/y/z; \(tool) put disk.raw host.txt 1:/EFI
      \(tool) mkdir -p disk.raw:2 /srv/m/n; \(tool) mkdir -m 1777 disk.raw:2 srv/tmp; \(tool) mv disk.raw:2 /srv/p /etc/motd /srv/m
      \(tool) mv disk.raw:2 /srv/m/p /srv/m/q; \(tool) ln disk.raw:2 /srv/m/q /srv/hard; \(tool) ln -s disk.raw:2 m/q /srv/soft
      \(tool) ln -sf disk.raw:2 'a b' /srv/soft; \(tool) chmod -R disk.raw:2 700 /srv/copy; \(tool) chown -R disk.raw:2 5:6 /srv/copy
      \(tool) touch disk.raw:2 /srv/empty; \(tool) truncate -s 1M disk.raw:2 /srv/empty; \(tool) touch -c disk.raw:2 /srv/none
      \(tool) rm -r disk.raw:2 /var; \(tool) rm -f disk.raw:2 /srv/none; \(tool) rm disk.raw:2 /etc/hostname.link
      """)
    let found = try disk.look(
      """
      find srv etc/hostname -mindepth 0 ! -type d | sort; stat -c '%n %a %u:%g' srv/copy srv/copy/sub/x srv/tmp; test srv/hard -ef srv/m/q
      cat 'srv/soft' srv/hard srv/x/y/z srv/m/motd; stat -c %s srv/empty; test ! -e var; mtype -i ../esp.now ::EFI/host.txt; stat -c %h etc/hostname
      """)
    #expect(
      found == """
        etc/hostname
        srv/a b
        srv/copy/sub/x
        srv/dir/sub/x
        srv/empty
        srv/hard
        srv/m/motd
        srv/m/q
        srv/soft
        srv/x/y/z
        srv/copy 700 5:6
        srv/copy/sub/x 700 5:6
        srv/tmp 1777 0:0
        hello
        piped
        local
        one
        1048576
        local
        1

        """, "\(found)")
  }

  @Test func devicesOfBothSectorSizes() throws {
    for sector in [512, 4096] {
      try scratch.shell(
        """
        truncate -s 64M medium; loop=$(losetup --find --show --sector-size \(sector) medium); trap 'losetup -d $loop' EXIT
        for bs in \(sector == 512 ? "1024 4096" : "4096"); do
          mke2fs -q -F -t ext4 -b $bs -d tree $loop
          \(PatchedDisk.tool) patch $loop --patch-text '/etc/hostname=changed\\n' --patch-tree /srv=tree/usr --patch-text /x=1 > said
          e2fsck -fn $loop > checked 2>&1 || { cat checked; exit 1; }
          mkdir -p mnt; mount -o ro $loop mnt; cat mnt/etc/hostname mnt/x > found; cmp mnt/srv/lib/untouched tree/usr/lib/untouched; umount mnt
          test "$(cat found)" = "$(printf 'changed\\n1')"
        done
        """)
    }
    try scratch.shell(
      """
      loop=$(losetup --find --show disk.raw); trap 'partx -d $loop; losetup -d $loop' EXIT; partx -d $loop 2> /dev/null || true
      partx -a $loop; \(PatchedDisk.tool) patch ${loop}p2 --patch-text /etc/hostname=p2 > said; \(PatchedDisk.tool) put ${loop} said 1:/EFI > said2
      """)
    #expect(try disk.look("cat etc/hostname; mdir -b -i ../esp.now ::EFI/said") == "p2::/EFI/said\n")
  }

  @Test func aCopyIsPatchedAndTheImageStays() throws {
    for image in ["disk.qcow2", "disk.raw"] {
      let before = try digest(scratch.file(image))
      let ran = try disk.qflash(
        "patch \(image):2 -o copy.raw --patch-text /etc/hostname=copied --patch /etc/made=<(echo made)")
      #expect(ran.output.contains("patched: /etc/hostname on copy.raw:2: replaced, 6 bytes"), "\(ran.text)")
      let after = try digest(scratch.file(image))
      #expect(before == after)
      #expect(try disk.look("cat etc/hostname etc/made", on: "copy.raw") == "copiedmade\n")
      try scratch.shell("rm copy.raw")
    }
  }

  @Test func aDryRunShowsThePlan() throws {
    let before = try digest(scratch.file("disk.raw"))
    let words =
      "patch disk.raw --patch-mkdir 2:/a --patch-text 2:/a/b=four --patch-tree 1:/EFI=tree/usr --patch-rm 2:/etc/sub --dry-run"
    let ran = try disk.qflash(words)
    for line in [
      "would patch: /a on disk.raw:2: created", "would patch: /a/b on disk.raw:2: created, 4 bytes",
      "would patch: /EFI on disk.raw:1: filled, 292 KiB, 1 file and 1 directory",
      "would patch: /etc/sub on disk.raw:2: removed",
      "nothing was written",
    ] { #expect(ran.output.contains(line), "\(line): \(ran.text)") }
    let json = try disk.qflash(
      words + " --json | python3 -c 'import json,sys; print(len(json.load(sys.stdin)[\"planned-patches\"]))'")
    #expect(json.output == "4\n")
    let after = try digest(scratch.file("disk.raw"))
    #expect(before == after)
    let flash = try disk.qflash("-src disk.qcow2 -dst new.raw --patch-text /etc/x=1 --dry-run")
    #expect(flash.output.contains("would patch: /etc/x on new.raw:2: created, 1 bytes"), "\(flash.text)")
    try scratch.shell("test ! -e new.raw")
  }
}
