import BlockIO
import CLinux
import Glibc
import Images
import SystemPackage
import Support
import Testing

/// Files that an image names, and who else has them open.
@Suite struct OpenGateTests {
  /// An image `in/a.qcow2` whose backing file's name is `name`, whatever that is, in the format `format`.
  static func image(_ name: String, _ format: String = "raw", in scratch: Scratch) throws {
    try scratch.shell(
      """
      mkdir -p in; truncate -s 1M outside.raw in/inside.raw
      qemu-img create -q -f qcow2 in/a.qcow2 1M
      qemu-img rebase -u -f qcow2 -b '\(name)' \(format.isEmpty ? "" : "-F \(format)") in/a.qcow2
      """)
  }

  @Test(arguments: [
    "/etc/passwd", "../outside.raw", "../../../../../../etc/passwd", "link", "/dev/zero", "/dev/null",
    "json:{\"driver\":\"file\",\"filename\":\"in/inside.raw\"}", "nbd://localhost/x", "ssh://host/x",
    "file:inside.raw", "fat:.", "../nothing.raw", "/nowhere/nothing", "folder", "fifo", "char", ".", "link-to-fifo",
    "sub/../../outside.raw", "blockdev",
  ])
  func refused(_ name: String) throws {
    let scratch = try Scratch()
    try Self.image(name, in: scratch)
    try scratch.shell(
      """
      cd in; ln -s ../outside.raw link; mkdir folder sub; mkfifo fifo; ln -s fifo link-to-fifo
      mknod char c 1 5; mknod blockdev b 7 0
      """)
    let error = try scratch.imageError("in/a.qcow2")
    #expect(error.kind == .refused, "\(error)")
    #expect(error.file == scratch.file("in/a.qcow2"))
  }

  @Test(arguments: ["json:{}", "nbd://localhost/x", "fifo", "folder", "/dev/zero"])
  func refusedWhateverTheUserSays(_ name: String) throws {
    let scratch = try Scratch()
    try Self.image(name, in: scratch)
    try scratch.shell("cd in; mkfifo fifo; mkdir folder")
    var options = ImageOptions()
    options.allowsBackingOutside = true
    #expect(try scratch.imageError("in/a.qcow2", options).kind == .refused)
  }

  @Test(arguments: ["inside.raw", "./inside.raw", "sub/../inside.raw", "link", "sub/deep.raw"])
  func opened(_ name: String) throws {
    let scratch = try Scratch()
    try Self.image(name, in: scratch)
    try scratch.shell("cd in; mkdir sub; ln -s inside.raw link; cp inside.raw sub/deep.raw")
    #expect(try scratch.open("in/a.qcow2").files.count == 2)
  }

  @Test func outsideWhenAllowed() throws {
    let scratch = try Scratch()
    try Self.image("../outside.raw", in: scratch)
    var options = ImageOptions()
    options.allowsBackingOutside = true
    #expect(try scratch.open("in/a.qcow2", options).files.count == 2)
    options.allowsBackingOutside = false
    options.backing = FilePath(scratch.file("outside.raw"))
    #expect(try scratch.open("in/a.qcow2", options).files.count == 2)
  }

  @Test func missing() throws {
    let scratch = try Scratch()
    try Self.image("nothing.raw", in: scratch)
    let error = try scratch.failure("in/a.qcow2")
    #expect((error as? IOError)?.errno == .noSuchFileOrDirectory, "\(error)")
  }

  @Test func loops() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      qemu-img create -q -f qcow2 a 1M; qemu-img create -q -f qcow2 -b a -F qcow2 b
      qemu-img create -q -f qcow2 -b b -F qcow2 c; qemu-img rebase -u -f qcow2 -b c -F qcow2 a
      qemu-img create -q -f qcow2 own 1M; ln own hard; qemu-img rebase -u -f qcow2 -b hard -F qcow2 own
      """)
    for name in ["a", "b", "c", "own"] {
      let error = try scratch.imageError(name)
      #expect(error.kind == .refused)
      #expect(error.detail.contains("never end"), "\(error)")
    }
  }

  /// The declared format is obeyed: a raw file that looks like qcow2 stays raw.
  @Test func formats() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      qemu-img create -q -f qcow2 secret.qcow2 1M
      for f in raw qcow2; do qemu-img create -q -f qcow2 -b secret.qcow2 -F $f $f 1M; done
      cp raw vmdk; cp raw none
      qemu-img rebase -u -f qcow2 -b secret.qcow2 -F vmdk vmdk
      truncate -s 1M plain.raw; qemu-img create -q -f qcow2 -b plain.raw -F raw plain
      """)
    // The format's extension becomes one that no reader knows.
    for name in ["none", "plain"] {
      var offset: UInt64 = 112
      while try scratch.number(name, at: offset, as: UInt32.self) != 0xe279_2aca {
        let length = try scratch.number(name, at: offset + 4, as: UInt32.self)
        offset += 8 + UInt64((length + 7) / 8 * 8)
      }
      try scratch.patch(name, at: offset, UInt32(0x7171_7171))
    }
    try compare(scratch, "raw")
    let secret = try scratch.bytes("secret.qcow2")
    let asRaw = try contents(of: scratch.open("raw").disk)
    #expect(asRaw.prefix(4) == secret.prefix(4))
    try compare(scratch, "qcow2")
    #expect(try scratch.imageError("vmdk").kind == .unsupported)
    let undeclared = try scratch.imageError("none")
    #expect(undeclared.kind == .refused)
    #expect(undeclared.detail.contains("--backing-format"))
    var options = ImageOptions()
    options.backingFormat = "raw"
    let told = try contents(of: scratch.open("none", options).disk)
    #expect(told == asRaw)
    #expect(try scratch.open("plain").warnings.count == 1)
  }

  @Test func stream() throws {
    let input = ImageInput(bytes: .stream(Nothing()), path: nil)
    #expect {
      _ = try ImageFormat.qcow2.open(input)
    } throws: { error in
      (error as? ImageError)?.kind == .unsupported && "\(error)".contains("random access")
    }
  }

  private final class Nothing: ByteStream {
    func read(into buffer: inout MutableRawSpan) throws -> Int { 0 }
  }

  /// A lock on one of qemu's bytes, as a running machine or an exclusive user of the image holds it.
  @Test(arguments: [(101, true), (200, true), (100, false), (201, false), (103, false)])
  func lockedByte(_ byte: Int64, _ isRefused: Bool) throws {
    for name in ["a", "base"] {
      // Files of its own: a program that another test is starting may hold the lock before for a moment longer.
      let scratch = try Scratch()
      try scratch.shell("qemu-img create -q -f qcow2 base 1M; qemu-img create -q -f qcow2 -b base -F qcow2 a")
      let holder = try OpenFile(FilePath(scratch.file(name)), .readWrite)
      try #require(clinux_share_range(holder.descriptor, byte, 1) == 0)
      if isRefused {
        let error = try scratch.imageError("a")
        #expect(error.kind == .refused)
        #expect(error.detail.contains("--force-share"))
        var options = ImageOptions()
        options.forcesShare = true
        #expect(try scratch.open("a", options).warnings.count == 1)
      } else {
        #expect(try scratch.open("a").warnings == [])
      }
      withExtendedLifetime(holder) {}
    }
  }

  @Test func lockedRawImage() throws {
    let scratch = try Scratch()
    try scratch.shell("truncate -s 1M a.raw")
    let holder = try OpenFile(FilePath(scratch.file("a.raw")), .readWrite)
    try #require(clinux_share_range(holder.descriptor, 101, 1) == 0)
    let path = FilePath(scratch.file("a.raw"))
    var input = try ImageInput(bytes: .file(FileSource(path)), path: path)
    #expect { _ = try ImageFormat.raw.open(input) } throws: { ($0 as? ImageError)?.kind == .refused }
    input.options.forcesShare = true
    #expect(try ImageFormat.raw.open(input).byteCount == 1 << 20)
    withExtendedLifetime(holder) {}
  }

  /// qemu itself with the image open: to write is refused, to read is not; and while the image is read here, qemu
  /// does not open it to write.
  @Test func runningQemu() throws {
    let scratch = try Scratch()
    try scratch.shell(
      """
      qemu-img create -q -f qcow2 base 1M; qemu-img create -q -f qcow2 -b base -F qcow2 a
      cat > held <<'END'
      #!/bin/bash
      # Opens the image with qemu-io, says so, and holds it until the file `stop` is there.
      mkfifo pipe; qemu-io "$@" <pipe >log 2>&1 & exec 9>pipe
      echo 'read 0 512' >&9; until grep -q 512 log; do sleep 0.02; done; touch ready
      for i in $(seq 500); do [ -e stop ] && break; sleep 0.02; done
      exec 9>&-; wait; rm -f pipe log stop ready; touch done
      END
      chmod +x held
      """)
    for (mode, isRefused) in [("", true), ("-r", false)] {
      try scratch.shell(
        """
        rm -f done; setsid ./held \(mode) -f qcow2 a >/dev/null 2>&1 &
        until [ -e ready ]; do sleep 0.02; done
        """)
      let error: String
      do { error = try scratch.open("a").warnings.joined() } catch let failure { error = "\(failure)" }
      #expect(error.contains("has the image open for writing") == isRefused, "\(error)")
      // A machine's backing files are open to read only.
      #expect(try scratch.open("base").warnings == [])
      try scratch.shell("touch stop; until [ -e done ]; do sleep 0.02; done")
    }
    let image = try scratch.open("a")
    let other = try run(["qemu-io", "-f", "qcow2", "-c", "write 0 512", scratch.file("a")], expecting: nil)
    #expect(other.text.contains("lock"), "\(other.text)")
    withExtendedLifetime(image) {}
    #expect(try run(["qemu-io", "-r", "-f", "qcow2", "-c", "read 0 512", scratch.file("a")]).status == 0)
  }
}
