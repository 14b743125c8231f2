import BlockIO
import Browsing
import Filesystems
import Support
import SystemPackage
import Testing

/// Trees out of volumes that mean harm, and what they become on this system.
@Suite(.timeLimit(.minutes(2))) struct ExtractionTests {
  let scratch: Scratch
  let volume = MemoryFilesystem()

  init() throws {
    scratch = try Scratch()
    try scratch.shell("mkdir out elsewhere; echo mine > elsewhere/file")
  }

  private func extract(
    _ path: String = "/", as name: FileName? = nil, owners: Bool = false, devices: Bool = false
  ) throws -> ExtractionReport {
    var options = ExtractionOptions(setsOwners: owners)
    options.makesDevices = devices
    let extraction = try Extraction(from: volume, to: FilePath(scratch.file("out")), options: options) { false }
    try extraction.extract(try PathArgument(path).find(in: volume, followsLast: false), as: name)
    return extraction.report
  }

  @Test(arguments: ["..", ".", "", "a/b", "/etc", "../x", "a\0b"])
  func impossibleNames(name: String) throws {
    volume.addFile(FileName(name), [1, 2, 3])
    volume.addFile("good", [4])
    let report = try extract()
    #expect(report.failures.count == 1 && report.files == 1, "\(report)")
    try scratch.shell("test \"$(find . | sort | tr '\\n' ' ')\" = '. ./elsewhere ./elsewhere/file ./out ./out/good '")
  }

  @Test func aNameThatIsTooLongHere() throws {
    volume.addFile(FileName(String(repeating: "n", count: 300)), [1])
    volume.addFile("good", [4])
    let report = try extract()
    #expect(report.failures.count == 1 && report.files == 1)
    try scratch.shell("test \"$(ls -A out)\" = good")
  }

  @Test func linksOutOfTheVolumeAreNotFollowed() throws {
    // A link and then a directory of the same name, through which a file would land elsewhere.
    volume.addLink("door", to: "../elsewhere")
    let folder = volume.addFolder("door")
    volume.addFile("file", in: folder, Array("theirs".utf8))
    volume.addLink("absolute", to: FileName(scratch.file("elsewhere")))
    volume.addFile("absolute", Array("theirs".utf8))
    let report = try extract()
    #expect(report.failures.isEmpty, "\(report)")
    try scratch.shell(
      """
      grep -qx mine elsewhere/file; test $(ls elsewhere | wc -l) = 1
      test ! -L out/door; grep -q theirs out/door/file; test ! -L out/absolute; grep -q theirs out/absolute
      """)
  }

  @Test func linksAtTheDestinationAreNotFollowed() throws {
    try scratch.shell("ln -s ../elsewhere out/folder; ln -s ../elsewhere/file out/plain; ln elsewhere/file out/hard")
    let folder = volume.addFolder("folder")
    volume.addFile("file", in: folder, Array("theirs".utf8))
    volume.addFile("plain", Array("theirs".utf8))
    volume.addFile("hard", Array("theirs".utf8))
    let report = try extract()
    #expect(report.failures.isEmpty, "\(report)")
    try scratch.shell(
      "grep -qx mine elsewhere/file; test ! -L out/folder; test ! -L out/plain; grep -q theirs out/hard out/plain")
  }

  @Test func loopsEnd() throws {
    let one = volume.addFolder("one")
    let two = volume.addFolder("two", in: one)
    volume.link(one, as: "again", in: two)
    volume.link(1, as: "root", in: two)
    volume.link(two, as: "twice", in: 1)
    volume.addFile("last", [1])
    let report = try extract()
    #expect(report.failures.count == 3 && report.files == 1 && report.folders == 2, "\(report)")
  }

  @Test func aTreeAsDeepAsItGets() throws {
    var folder: UInt64 = 1
    for level in 0..<3000 { folder = volume.addFolder(FileName("level-\(level)"), in: folder) }
    volume.addFile("deep", in: folder, Array("down here".utf8))
    let report = try extract()
    #expect(report.failures.isEmpty && report.folders == 3000 && report.files == 1)
    try scratch.shell(
      """
      python3 -c '
      import os
      os.chdir("out")
      for level in range(3000): os.chdir(f"level-{level}")
      assert open("deep").read() == "down here" and os.stat(".").st_mtime_ns == 1600000000123456789'
      """)
  }

  @Test func hardLinksAreMadeAgain() throws {
    let file = volume.addFile("a", Array("shared".utf8))
    let folder = volume.addFolder("sub")
    volume.link(file, as: "b", in: folder)
    volume.link(file, as: "c")
    volume.change(file) { $0.attributes.linkCount = 3 }
    let report = try extract()
    #expect(report.files == 3 && report.links == 2, "\(report)")
    try scratch.shell(
      "cd out; test a -ef sub/b; test a -ef c; test $(stat -c %h a) = 3; test -z \"$(find . -name '.q*')\"")
    // Once more over what is there.
    #expect(try extract().failures.isEmpty)
    try scratch.shell("cd out; test a -ef sub/b; test $(stat -c %h a) = 3; test -z \"$(find . -name '.q*')\"")
  }

  @Test func aLinkedFileThatWasReplaced() throws {
    let file = volume.addFile("a", Array("one".utf8))
    volume.change(file) { $0.attributes.linkCount = 2 }
    volume.addFile("a", Array("two".utf8))
    volume.link(file, as: "b")
    _ = try extract()
    try scratch.shell("grep -qx two out/a; grep -qx one out/b")
  }

  @Test func holesStay() throws {
    let file = volume.addFile("sparse")
    volume.change(file) { node in
      node.ranges = [(1 << 20, Array("begin".utf8)), (9 << 20, [UInt8](repeating: 7, count: 5000))]
      node.attributes.byteCount = 1 << 35
    }
    let report = try extract()
    #expect(report.failures.isEmpty && report.byteCount == 1 << 35)
    try scratch.shell(
      """
      test $(stat -c %s out/sparse) = $((1 << 35)); test $(stat -c %b out/sparse) -lt 64
      test "$(dd if=out/sparse bs=1 skip=$((1 << 20)) count=5 status=none)" = begin
      test $(dd if=out/sparse bs=1M skip=9 count=1 status=none | tr -dc '\\007' | wc -c) = 5000
      """)
  }

  @Test func modesTimesAndAttributes() throws {
    let folder = volume.addFolder("closed")
    volume.change(folder) { $0.attributes.permissions = 0o500 }
    let file = volume.addFile("file", in: folder, [1])
    volume.change(file) { node in
      node.attributes.permissions = 0o4751
      node.attributes.modified = Timestamp(seconds: -100, nanoseconds: 500_000_000)
      node.extended = [ExtendedAttribute(name: "user.note", value: Array("v".utf8))]
    }
    let link = volume.addLink("link", to: "no where", in: folder)
    volume.change(link) { $0.attributes.modified = Timestamp(seconds: 86400) }
    let report = try extract()
    #expect(report.failures.isEmpty && report.setIDsLeftOut == 1, "\(report)")
    try scratch.shell(
      """
      test "$(stat -c '%a' out/closed)" = 500; test "$(stat -c '%a' out/closed/file)" = 751
      test "$(stat -c %.1Y out/closed/file)" = -99.5; test "$(readlink out/closed/link)" = 'no where'
      test "$(stat -c %Y out/closed/link)" = 86400; test "$(stat -c %.9Y out/closed)" = 1600000000.123456789
      """)
    #expect(
      try scratch.shell(
        "python3 -c 'import os; print(os.getxattr(\"out/closed/file\", \"user.note\").decode(), end=\"\")'"
      ).output == "v")
    // Again, over a folder that is closed to writing; with owners the bits come too.
    volume.change(file) { ($0.attributes.owner, $0.attributes.group) = (12, 34) }
    guard Machine.hasLoopDevices else { return }
    #expect(try extract(owners: true).failures.isEmpty)
    try scratch.shell("test \"$(stat -c '%a %u %g' out/closed/file)\" = '4751 12 34'")
  }

  @Test func oneFailureDoesNotStopTheRest() throws {
    let bad = volume.addFile("bad", [1, 2])
    volume.change(bad) { $0.failure = ImageError(.damaged, format: "memory", "this block is bad") }
    let folder = volume.addFolder("unreadable")
    volume.change(folder) { $0.failure = ImageError(.damaged, format: "memory", "this directory is bad") }
    volume.link(999, as: "nothing")
    volume.addFile("good", [1])
    try scratch.shell("mkdir -p out/dir/full; touch out/dir/full/file")
    volume.addFile("dir", [1])
    let report = try extract()
    #expect(report.failures.count == 4 && report.files == 1, "\(report)")
    try scratch.shell(
      "test -f out/good; test ! -e out/bad; test -f out/dir/full/file; test -z \"$(find out -name '.q*')\"")
  }

  @Test func namesThatAreNotText() throws {
    volume.addFile(FileName([0x66, 0xff, 0x0a]), Array("odd".utf8))
    let report = try extract()
    #expect(report.failures.isEmpty)
    try scratch.shell("grep -q odd $'out/f\\xff\\n'")
    #expect(try PathArgument("/f\\xff\\x0a").find(in: volume).names.count == 1)
    #expect(throws: FileError.self) { try PathArgument("/f\\xfe").find(in: volume) }
  }

  @Test func devicesOnlyWhereAsked() throws {
    for (name, kind) in [("c", FileKind.characterDevice), ("b", .blockDevice), ("p", .fifo), ("s", .socket)] {
      var node = MemoryFilesystem.Node(attributes: MemoryFilesystem.attributes(kind, permissions: 0o640))
      if kind == .characterDevice || kind == .blockDevice { node.attributes.device = .init(major: 259, minor: 70000) }
      volume.link(volume.add(node), as: FileName(name))
    }
    let report = try extract()
    #expect(report.devicesLeftOut == 2 && report.failures.isEmpty && report.files == 2, "\(report)")
    try scratch.shell("test \"$(stat -c '%a %F' out/p)\" = '640 fifo'; test -S out/s; test ! -e out/c; test ! -e out/b")
    guard Machine.hasLoopDevices else { return }
    #expect(try extract(owners: true, devices: true).failures.isEmpty)
    try scratch.shell("test \"$(stat -c '%a %t %T %F' out/c)\" = '640 103 11170 character special file'; test -b out/b")
  }

  @Test func aNewName() throws {
    let folder = volume.addFolder("etc")
    volume.addFile("x", in: folder, [1])
    #expect(try extract("/etc", as: "copy").failures.isEmpty)
    #expect(try extract("/etc/x").failures.isEmpty)
    try scratch.shell("test -f out/copy/x; test -f out/x; test $(ls out | wc -l) = 2")
  }

  @Test(arguments: ["/dev/null", "/dev/stdout", "no/such/file", "..", "."])
  func destinationsThatAreRefused(name: String) throws {
    let isFolder = (try? ExtractionTarget(name, sourceCount: 1, isFolder: false)) != nil
    #expect(isFolder == [".", ".."].contains(name))
  }
}
