import Support
import Testing

/// What goes wrong between qflash and the kernel: a library loaded before libc cuts short, interrupts, spoils or fails
/// the reads and writes of one file, and the exit status and the words must tell what happened.
@Suite(.serialized, .timeLimit(.minutes(3))) struct FaultTests {
  let scratch: Scratch

  /// FAULT names what to do to the file FAULT_PATH, in calls that hold its byte FAULT_AT where that matters.
  static let library = #"""
    #define _GNU_SOURCE
    #include <dlfcn.h>
    #include <errno.h>
    #include <fcntl.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    #include <unistd.h>

    static int is(const char *fault, int fd) {
      const char *wanted = getenv("FAULT"), *path = getenv("FAULT_PATH");
      char link[64], name[4096];
      if (!wanted || !path || strcmp(wanted, fault) != 0) return 0;
      snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
      ssize_t count = readlink(link, name, sizeof name - 1);
      if (count < 0) return 0;
      name[count] = 0;
      return strcmp(name, path) == 0;
    }
    // The place of byte FAULT_AT in a call, or -1.
    static long place(off_t offset, size_t count) {
      const char *at = getenv("FAULT_AT");
      long byte = at ? atol(at) : 0;
      return byte >= offset && byte < offset + (long)count ? byte - offset : -1;
    }
    static size_t half(size_t count) { return count > 8192 ? (count / 2) & ~(size_t)4095 : count; }
    static _Thread_local int turn;
    static int misread;

    static ssize_t any_pwrite(const char *symbol, int fd, const void *bytes, size_t count, off_t offset) {
      ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, symbol);
      long at = place(offset, count);
      if (is("short", fd)) return real(fd, bytes, half(count), offset);
      if (is("interrupt", fd) && turn++ % 2 == 0) return errno = EINTR, -1;
      if (is("fail-write", fd) && at >= 0) return errno = EIO, -1;
      if (is("lose-write", fd) && at >= 0) return count;
      if (is("spoil-write", fd) && at >= 0) {
        char *copy = aligned_alloc(4096, (count + 4095) & ~(size_t)4095);
        memcpy(copy, bytes, count);
        copy[at] ^= 1;
        ssize_t result = real(fd, copy, count, offset);
        free(copy);
        return result;
      }
      return real(fd, bytes, count, offset);
    }
    static ssize_t any_pread(const char *symbol, int fd, void *bytes, size_t count, off_t offset) {
      ssize_t (*real)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, symbol);
      long at = place(offset, count);
      if (is("short", fd)) return real(fd, bytes, half(count), offset);
      if (is("interrupt", fd) && turn++ % 2 == 0) return errno = EINTR, -1;
      if (is("fail-read", fd) && at >= 0) return errno = EIO, -1;
      ssize_t result = real(fd, bytes, count, offset);
      if (is("misread", fd) && at >= 0 && result > at && !misread++) ((char *)bytes)[at] ^= 1;
      return result;
    }
    ssize_t pwrite(int fd, const void *b, size_t n, off_t o) { return any_pwrite("pwrite", fd, b, n, o); }
    ssize_t pwrite64(int fd, const void *b, size_t n, off_t o) { return any_pwrite("pwrite64", fd, b, n, o); }
    ssize_t pread(int fd, void *b, size_t n, off_t o) { return any_pread("pread", fd, b, n, o); }
    ssize_t pread64(int fd, void *b, size_t n, off_t o) { return any_pread("pread64", fd, b, n, o); }
    // A file that does worse than short or interrupted calls takes and gives no pages: it is read and written then.
    ssize_t splice(int from, off64_t *start, int to, off64_t *place, size_t count, unsigned flags) {
      ssize_t (*real)(int, off64_t *, int, off64_t *, size_t, unsigned) = dlsym(RTLD_NEXT, "splice");
      if (is("short", from) || is("short", to)) return real(from, start, to, place, half(count), flags);
      if ((is("interrupt", from) || is("interrupt", to)) && turn++ % 2 == 0) return errno = EINTR, -1;
      for (const char *const *fault = (const char *const[]){"fail-write", "lose-write", "spoil-write", "fail-read",
                                                            "misread", NULL}; *fault; fault++)
        if (is(*fault, from) || is(*fault, to)) return errno = EIO, -1;
      return real(from, start, to, place, count, flags);
    }
    int fallocate(int fd, int mode, off_t offset, off_t count) {
      int (*real)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, "fallocate");
      if (is("interrupt", fd) && turn++ % 2 == 0) return errno = EINTR, -1;
      return real(fd, mode, offset, count);
    }
    int ftruncate(int fd, off_t size) {
      int (*real)(int, off_t) = dlsym(RTLD_NEXT, "ftruncate");
      if (is("interrupt", fd) && turn++ % 2 == 0) return errno = EINTR, -1;
      return real(fd, size);
    }
    int fdatasync(int fd) {
      int (*real)(int) = dlsym(RTLD_NEXT, "fdatasync");
      if (is("interrupt", fd) && turn++ % 2 == 0) return errno = EINTR, -1;
      return is("fail-flush", fd) ? (errno = EIO, -1) : real(fd);
    }
    """#

  /// Builds the library as `faults.so`.
  static func build(in scratch: Scratch) throws {
    try scratch.shell(
      """
      cat > faults.c <<'END'
      \(library)
      END
      cc -shared -fPIC -o faults.so faults.c -ldl
      """)
  }

  init() throws {
    scratch = try Scratch()
    try Self.build(in: scratch)
    try scratch.shell(
      """
      head -c 5M /dev/urandom > image.raw
      truncate -s 6M image.raw
      head -c 1000 /dev/urandom >> image.raw
      python3 -c "
      import random; r = random.Random(1); few = bytes(b'abcdefgh'[i % 8] for i in range(256))
      open('text.raw', 'wb').write(r.randbytes(4 << 20).translate(few))"
      qemu-img convert -c -O qcow2 text.raw text.qcow2
      """)
  }

  /// Flashes with a fault on the file or device `path`.
  private func flash(
    _ fault: String, on path: String, at byte: Int = 0, source: String = "image.raw", to target: String,
    _ options: String = "", expecting status: Int32
  ) throws -> Finished {
    let full = path.hasPrefix("/") ? path : "\(scratch.path)/\(path)"
    let ran = try scratch.shell(
      """
      FAULT=\(fault) FAULT_PATH=\(full) FAULT_AT=\(byte) LD_PRELOAD=$PWD/faults.so exec '\(Machine.binaries)/qflash' \
        -src \(source) -dst \(target) --yes \(options)
      """, expecting: nil)
    #expect(ran.status == status, "\(fault): \(ran.status), \(ran.text)")
    return ran
  }

  @Test(arguments: ["short", "interrupt"], ["image.raw", "text.qcow2"])
  func shortAndInterruptedCallsChangeNothing(fault: String, source: String) throws {
    let expected = source == "image.raw" ? source : "text.raw"
    for path in ["out", source] {
      _ = try flash(fault, on: path, source: source, to: "out", "--verify", expecting: 0)
      try scratch.shell("cmp \(expected) out")
    }
    guard Machine.hasLoopDevices else { return }
    for sectorSize in [512, 4096] {
      let loop = try LoopDevice(size: 8 << 20, sectorSize: sectorSize)
      defer { withExtendedLifetime(loop) {} }
      _ = try flash(fault, on: loop.node, source: source, to: loop.node, expecting: 0)
      try scratch.shell("cmp -n $(stat -c %s \(expected)) \(expected) \(loop.node)")
    }
  }

  @Test(arguments: ["spoil-write", "lose-write"], [70_000, 4 << 20])
  func aFileThatHoldsOtherBytesFailsVerification(fault: String, byte: Int) throws {
    let ran = try flash(fault, on: "out", at: byte, to: "out", "--verify", expecting: 76)
    #expect(ran.error.contains("out"), "\(ran.text)")
    if fault == "spoil-write" { #expect(ran.error.contains("\(byte)"), "\(ran.text)") }
  }

  @Test(
    .enabled(if: Machine.hasLoopDevices, "needs root and loop devices"), arguments: ["spoil-write", "lose-write"],
    [0, 70_000, 4 << 20])
  func aDeviceThatHoldsOtherBytesFailsVerification(fault: String, byte: Int) throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    _ = try flash(fault, on: loop.node, at: byte, to: loop.node, expecting: 76)
  }

  @Test func bytesRightOnlyTheSecondTimeFailVerification() throws {
    let ran = try flash("misread", on: "out", at: 70_000, to: "out", "--verify", expecting: 76)
    #expect(ran.error.contains("unstable") || ran.error.contains("second"), "\(ran.text)")
  }

  @Test func aWriteErrorIsAnInputOutputError() throws {
    let ran = try flash("fail-write", on: "out", at: 3 << 20, to: "out", expecting: 74)
    #expect(ran.error.contains("Input/output error") && ran.error.contains("incomplete"), "\(ran.text)")
    let flushed = try flash("fail-flush", on: "out", to: "out", expecting: 74)
    #expect(flushed.error.contains("Input/output error") && flushed.error.contains("incomplete"), "\(flushed.text)")
    let read = try flash("fail-read", on: "out", at: 3 << 20, to: "out", "--verify", expecting: 74)
    #expect(read.error.contains("not wholly verified"), "\(read.text)")
  }

  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func aDevicesErrorsAreItsOwn() throws {
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    for fault in ["fail-write", "fail-flush", "fail-read"] {
      let ran = try flash(fault, on: loop.node, at: 3 << 20, to: loop.node, expecting: 74)
      #expect(ran.error.contains(loop.node), "\(ran.text)")
    }
  }

  @Test func aSourceErrorStopsEverything() throws {
    for (source, byte) in [("image.raw", 3 << 20), ("text.qcow2", 900_000)] {
      let ran = try flash("fail-read", on: source, at: byte, source: source, to: "out", expecting: 66)
      #expect(ran.error.contains(source) && ran.error.contains("incomplete"), "\(ran.text)")
    }
  }

  @Test func noRoom() throws {
    let limited = try scratch.shell(
      "ulimit -f 1024; exec env --default-signal=XFSZ '\(Machine.binaries)/qflash' -src image.raw -dst out",
      expecting: nil)
    #expect(limited.status == 74 && limited.error.contains("File too large"), "\(limited.status) \(limited.text)")
    try scratch.shell("mkdir small")
    guard try scratch.shell("mount -t tmpfs -o size=2M none small", expecting: nil).status == 0 else { return }
    defer { _ = try? scratch.shell("umount small") }
    let full = try qflash("-src image.raw -dst small/out", in: scratch.path)
    #expect(full.status == 74, "\(full.status) \(full.text)")
    #expect(full.error.contains("No space left") && full.error.contains("incomplete"), "\(full.text)")
  }

  /// Compressed clusters past a cut are an error that names their place, and what is on the target is called
  /// incomplete; they never become zeroes of a disk that passes for whole.
  @Test(arguments: [600_000, 1_000_000, 200]) func anImageCutShort(bytesLost: Int) throws {
    try scratch.shell("cp text.qcow2 cut.qcow2; truncate -s -\(bytesLost) cut.qcow2")
    for words in ["-dst out", "-dst out --verify", "-dst -"] {
      let ran = try qflash("-src cut.qcow2 \(words) \(words.hasSuffix("-") ? "> out" : "")", in: scratch.path)
      #expect(ran.status == 65, "\(ran.status) \(ran.text)")
      #expect(ran.error.contains("cut.qcow2") && ran.error.contains("incomplete"), "\(ran.text)")
    }
    guard Machine.hasLoopDevices else { return }
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    let before = try digest(loop.node)
    let ran = try qflash("-src cut.qcow2 -dst \(loop.node)", in: scratch.path)
    #expect(ran.status == 65, "\(ran.status) \(ran.text)")
    // A partition table is looked for at the disk's end too, before anything is written.
    let after = try digest(loop.node)
    #expect(ran.error.contains("was not changed") && before == after, "\(ran.text)")
  }

  /// A disk that breaks off in the middle is called incomplete, and has no partition table.
  @Test(.enabled(if: Machine.hasLoopDevices, "needs root and loop devices")) func anImageDamagedInTheMiddle() throws {
    try scratch.shell(
      """
      echo 'start=2048,type=83' | sfdisk -q text.raw; qemu-img convert -c -O qcow2 text.raw cut.qcow2
      python3 - <<'END'
      import struct
      with open("cut.qcow2", "r+b") as file:
          # The 45th entry of the L2 table in the fifth cluster; deflate has no blocks of type 3.
          file.seek(4 * 65536 + 45 * 8)
          file.seek(struct.unpack(">Q", file.read(8))[0] & ((1 << 54) - 1))
          file.write(b"\\xff")
      END
      """)
    let loop = try LoopDevice(size: 8 << 20)
    defer { withExtendedLifetime(loop) {} }
    let ran = try qflash("-src cut.qcow2 -dst \(loop.node)", in: scratch.path)
    #expect(ran.status == 65, "\(ran.status) \(ran.text)")
    #expect(ran.error.contains("\(loop.node) is incomplete") && ran.error.contains("cut.qcow2"), "\(ran.text)")
    try scratch.shell("test $(head -c 512 \(loop.node) | tr -d '\\0' | wc -c) = 0")
  }
}
