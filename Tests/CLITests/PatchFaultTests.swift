import Support
import Testing

/// Patches on a medium that fails: what is said, with which exit status, and what the checker and the kernel make of it.
@Suite(.serialized, .timeLimit(.minutes(3)), .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"))
struct PatchFaultTests {
  let scratch: Scratch
  private static let steps = "--patch-text /etc/a=first --patch-text /etc/b=second --patch-text /etc/c=third"

  init() throws {
    scratch = try Scratch()
    try FaultTests.build(in: scratch)
    try scratch.shell(
      """
      mkdir -p tree/etc tree/keep; echo name > tree/etc/hostname; head -c 300000 /dev/urandom > tree/keep/file
      for i in $(seq 40); do echo $i > tree/keep/$i; done
      for type in ext4 ext2; do
        truncate -s 16M $type; mke2fs -q -F -t $type -b 1024 -d tree $type
        # Where everything will go.
        cp $type $type.fine; '\(Machine.binaries)/qflash' patch $type.fine \(Self.steps) > said
      done
      """)
  }

  /// The first byte of a block that debugfs(8) names, by a command that prints it last.
  private func place(_ command: String, _ image: String) throws -> Int {
    let text = try scratch.shell("debugfs -R '\(command)' \(image) 2> /dev/null").output
    let word = text.split(whereSeparator: { $0 == " " || $0 == "\n" || $0 == "," })
    return try #require(word.compactMap { Int($0) }.first, "\(text)") * 1024
  }

  /// Patches a copy of `volume` with a fault in the calls that hold its byte `byte`.
  private func patch(
    _ fault: String, at byte: Int, _ volume: String, to name: String = "disk", expecting status: Int32
  ) throws -> Finished {
    try scratch.shell("cp \(volume) disk")
    return try run(fault, at: byte, on: scratch.file("disk"), expecting: status)
  }

  private func run(_ fault: String, at byte: Int, on path: String, expecting status: Int32) throws -> Finished {
    let ran = try scratch.shell(
      """
      FAULT=\(fault) FAULT_PATH=\(path) FAULT_AT=\(byte) LD_PRELOAD=$PWD/faults.so \
        exec '\(Machine.binaries)/qflash' patch \(path) \(Self.steps)
      """, expecting: nil)
    #expect(ran.status == status, "\(fault) at \(byte): \(ran.status), \(ran.text)")
    return ran
  }

  @Test(arguments: ["spoil-write", "lose-write"]) func contentsThatReadOtherwiseAreNamed(fault: String) throws {
    for type in ["ext4", "ext2"] {
      let byte = try place("blocks /etc/b", type + ".fine") + 4
      let ran = try patch(fault, at: byte, type, expecting: 76)
      #expect(ran.error.contains("disk: /etc/b differs on the medium from what was written"), "\(ran.text)")
      #expect(ran.error.contains("from byte \(fault == "spoil-write" ? 4 : 0) on"), "\(ran.text)")
      #expect(!ran.error.contains("/etc/a") && !ran.error.contains("/etc/c"), "\(ran.text)")
    }
    let loop = try LoopDevice(size: 16 << 20)
    defer { withExtendedLifetime(loop) {} }
    try scratch.shell("cp --sparse=never ext4 '\(loop.file)'; blockdev --flushbufs \(loop.node)")
    let byte = try place("blocks /etc/b", "ext4.fine") + 4
    let ran = try run(fault, at: byte, on: loop.node, expecting: 76)
    #expect(ran.error.contains("\(loop.node): /etc/b differs on the medium"), "\(ran.text)")
  }

  @Test func aFailedWriteLeavesABeginning() throws {
    let places = [
      ("the superblock", "echo", ""), ("contents of b", "blocks /etc/b", "ab"),
      ("the journal's head", "blocks <8>", ""), ("the directory", "blocks /etc", "a"),
      ("the inode table", "imap /etc", "a"),
    ]
    for (what, command, most) in places {
      var byte = command == "echo" ? 1024 : try place(command, "ext4.fine")
      if command.hasPrefix("imap") { byte = try inodeBlock("ext4.fine") }
      let ran = try patch("fail-write", at: byte, "ext4", expecting: 74)
      #expect(ran.error.contains("disk") && ran.error.contains("Input/output error"), "\(what): \(ran.text)")
      #expect(ran.error.contains("done: ") && ran.error.contains("as after a power cut"), "\(what): \(ran.text)")
      try scratch.shell("cp disk mounted.disk")
      let repair = try scratch.shell("e2fsck -fy disk", expecting: nil)
      #expect(repair.status <= 1 && !repair.text.contains("Fix") && !repair.text.contains("Clear"), "\(repair.text)")
      let found = try look("disk")
      #expect(most.hasPrefix(found), "\(what): \(found), \(ran.text)")
      // The kernel recovers it to the same, of itself.
      let mounted = try look("mounted.disk", options: "rw")
      #expect(mounted == found, "\(what)")
      let check = try scratch.shell("e2fsck -fn mounted.disk", expecting: nil)
      #expect(check.status == 0, "\(what): \(check.text)")
    }
  }

  @Test func withoutAJournalTheVolumeStaysMarked() throws {
    let places = [("contents of b", try place("blocks /etc/b", "ext2.fine")), ("inodes", try inodeBlock("ext2.fine"))]
    for (what, byte) in places {
      let ran = try patch("fail-write", at: byte, "ext2", expecting: 74)
      #expect(ran.error.contains("Input/output error"), "\(what): \(ran.text)")
      let state = try scratch.shell("dumpe2fs -h disk 2> /dev/null | grep 'Filesystem state'").output
      let isMarked = state.contains("not clean")
      // What fails before anything but contents was written leaves a clean volume.
      #expect(isMarked || what == "contents of b", "\(what): \(state)")
      let repair = try scratch.shell("e2fsck -fy disk", expecting: nil)
      #expect(repair.status <= 1, "\(what): \(repair.text)")
      let found = try look("disk")
      #expect("ab".hasPrefix(found), "\(what): \(found)")
    }
  }

  @Test func aFailedFlushIsSaid() throws {
    let ran = try patch("fail-flush", at: 0, "ext4", expecting: 74)
    #expect(ran.error.contains("fdatasync") && ran.error.contains("Input/output error"), "\(ran.text)")
    let read = try patch("fail-read", at: place("blocks /etc/b", "ext4.fine"), "ext4", expecting: 74)
    #expect(read.error.contains("Input/output error"), "\(read.text)")
  }

  /// Where the inodes of `/etc/a` and its neighbours lie, in bytes.
  private func inodeBlock(_ image: String) throws -> Int {
    let text = try scratch.shell("debugfs -R 'imap /etc/a' \(image) 2> /dev/null").output
    let after = try #require(text.split(separator: "located at block ").dropFirst().first, "\(text)")
    return try #require(Int(after.prefix { $0.isNumber }), "\(text)") * 1024
  }

  /// Which of the three files a volume has, whose other files must be as they were.
  private func look(_ image: String, options: String = "ro") throws -> String {
    try scratch.shell(
      """
      e2fsck -fn \(image) > checked 2>&1 || [ \(options) = rw ] || { cat checked; exit 1; }
      mkdir -p mnt; mount -o loop,\(options) \(image) mnt; trap 'umount mnt' EXIT
      diff -r tree/keep mnt/keep; cmp tree/etc/hostname mnt/etc/hostname
      for pair in a=first b=second c=third; do
        test -e mnt/etc/${pair%=*} || continue
        test "$(cat mnt/etc/${pair%=*})" = ${pair#*=}; printf %s ${pair%=*}
      done
      """
    ).output
  }
}
