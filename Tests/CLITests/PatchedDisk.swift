import Support

/// A GPT with a FAT volume and an ext4 volume full of files, as `disk.raw` and compressed as `disk.qcow2`.
struct PatchedDisk {
  let scratch: Scratch
  static let tool = "'\(Machine.binaries)/qflash'"
  static let restore = "'\(Machine.binaries)/restore'"
  /// Runs a command as nobody.
  static let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"

  init() throws {
    scratch = try Scratch()
    try scratch.shell(
      """
      chmod 755 .; mkdir tree; cd tree; mkdir -p etc/sub usr/lib srv; echo old-name > etc/hostname
      ln etc/hostname etc/hostname.link; echo one > etc/motd; ln -s motd etc/motd.link; ln -s usr/lib lib; ln -s nowhere etc/dangling
      head -c 300000 /dev/urandom > usr/lib/untouched; mkdir -p var/log/many; for i in $(seq 60); do echo $i > var/log/many/f$i; done
      cd ..; truncate -s 40M ext; mke2fs -q -t ext4 -L system -d tree ext
      truncate -s 8M esp; mkfs.vfat -n ESP esp > /dev/null; mmd -i esp ::EFI; mcopy -i esp tree/usr/lib/untouched '::EFI/A Long Name.bin'
      truncate -s 60M disk.raw
      printf 'label: gpt\\nsize=8M,type=U,name="EFI"\\nsize=40M,name=root\\n' | sfdisk -q disk.raw
      dd if=esp of=disk.raw bs=1M seek=1 conv=notrunc,sparse status=none
      dd if=ext of=disk.raw bs=1M seek=9 conv=notrunc,sparse status=none
      qemu-img convert -c -O qcow2 disk.raw disk.qcow2
      """)
  }

  /// Runs `qflash`, with `words` taken by a shell.
  @discardableResult
  func qflash(_ words: String, expecting: Int32? = 0) throws -> Finished {
    try scratch.shell("\(Self.tool) \(words)", expecting: expecting)
  }

  /// Lets the checkers look at a patched disk, and prints what `script` says in the folder where its second partition is
  /// mounted, its first being `../esp.now`.
  @discardableResult
  func look(_ script: String, on disk: String = "disk.raw") throws -> String {
    try scratch.shell(
      """
      sgdisk -v \(disk) > checked || { cat checked; exit 1; }
      grep -q 'No problems found' checked || { cat checked; exit 1; }
      dd if=\(disk) of=esp.now bs=1M skip=1 count=8 status=none; dd if=\(disk) of=ext.now bs=1M skip=9 count=40 status=none
      fsck.fat -n esp.now > checked || { cat checked; exit 1; }
      e2fsck -fn ext.now > checked 2>&1 || { cat checked; exit 1; }
      mkdir -p mnt; mount -o loop,ro ext.now mnt; trap 'umount mnt' EXIT
      cmp mnt/usr/lib/untouched tree/usr/lib/untouched
      ( cd mnt; \(script) )
      """
    ).output
  }
}
