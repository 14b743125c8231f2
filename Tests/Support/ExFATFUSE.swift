/// The foreign driver for exFAT volumes, which the kernel here does not have.
package enum ExFATFUSE {
  /// Whether it can be used.
  package static let isUsable =
    (try? shell("command -v mount.exfat-fuse && test -c /dev/fuse && losetup -f", expecting: nil).status) == 0

  /// What mounts the file `$volume`, or `disk`, on `mnt`, and unmounts it and waits until all is written, also when the
  /// script fails.
  package static let mounting = """
    export LC_ALL=C.UTF-8 TZ=UTC
    mount_it() {
      mkdir -p mnt
      node=$(losetup --find --show ${volume:-disk})
      trap 'losetup -d $node' EXIT
      mount.exfat-fuse "$@" $node "$PWD/mnt" >/dev/null
      trap unmount_it EXIT
    }
    unmount_it() {
      trap - EXIT
      umount "$PWD/mnt"
      for _ in {1..200}; do
        pgrep -f "mount.exfat-fuse.* $node " >/dev/null || break
        sleep 0.05
      done
      losetup -d $node
    }

    """
}
