import BlockIO
import Bytes
import Browsing
import Filesystems
import Support
import SystemPackage
import Testing

/// Listings, names of volumes, and paths.
@Suite(.timeLimit(.minutes(2))) struct ListingTests {
  let scratch: Scratch
  let volume = MemoryFilesystem()

  init() throws { scratch = try Scratch() }

  /// What a listing of the root prints.
  private func list(
    _ style: TreeListing.Style = .names, all: Bool = false, recursive: Bool = false
  ) throws -> (text: String, report: ExtractionReport) {
    let output = OutputPipe(
      try OpenFile(
        FilePath(scratch.file("list")), .writeOnly, options: [.create, .truncate], permissions: .ownerReadWrite))
    let listing = TreeListing(
      of: volume, to: output, style: style, showsHidden: all, isRecursive: recursive, isStopped: { false })
    try listing.list(volume.root, path: "/", showsHeading: false)
    try output.flush()
    return (try scratch.shell("cat list").output, listing.report)
  }

  @Test func sortedWithoutHidden() throws {
    for name in ["b", ".hidden", "a", "C\u{1b}[31m"] { volume.addFile(FileName(name)) }
    #expect(try list().text == "C\\x1b[31m\na\nb\n")
    #expect(try list(all: true).text == ".hidden\nC\\x1b[31m\na\nb\n")
  }

  @Test(arguments: [9_999, 10_001]) func largeDirectories(count: Int) throws {
    for index in (0..<count).reversed() { volume.addFile(FileName("f\(10_000_000 + index)")) }
    let lines = try list().text.split(separator: "\n")
    let isSorted = lines == lines.sorted()
    #expect(lines.count == count && isSorted == (count <= 10_000))
  }

  @Test func recursionAndLoops() throws {
    let one = volume.addFolder("one")
    let two = volume.addFolder("two", in: one)
    volume.addFile("file", in: two)
    volume.link(one, as: "loop", in: two)
    volume.addFolder("zero")
    volume.addFolder(".git")
    let (text, report) = try list(recursive: true)
    #expect(text == "/:\none\nzero\n\n/one:\ntwo\n\n/one/two:\nfile\nloop\n\n/zero:\n")
    #expect(report.failures.count == 1)
    #expect(try list(.json, all: true, recursive: true).text.split(separator: "\n").count == 6)
  }

  @Test func manySubdirectories() throws {
    for index in 0..<10_500 { volume.addFolder(FileName("d\(index)")) }
    let (text, report) = try list(recursive: true)
    #expect(report.failures.isEmpty && text.split(separator: "\n").filter { $0.hasSuffix(":") }.count == 10_501)
  }

  @Test func longLines() throws {
    let file = volume.addFile("file", [1, 2, 3])
    volume.change(file) { $0.attributes.permissions = 0o6711 }
    let folder = volume.addFolder("folder")
    volume.change(folder) { $0.attributes.permissions = 0o1776 }
    volume.addLink("link", to: "to \n")
    volume.link(77, as: "lost")
    let (text, report) = try list(.long)
    let lines = text.split(separator: "\n")
    #expect(lines[0].hasPrefix("-rws--s--x 1 0 0 3 2020-09-13 ") && lines[0].hasSuffix(" file"), "\(text)")
    #expect(lines[1].hasPrefix("drwxrwxrwT "), "\(text)")
    #expect(lines[2].hasPrefix("lrw-r--r-- ") && lines[2].hasSuffix("link -> to \\x0a"), "\(text)")
    #expect(lines[3].contains("? lost") && report.failures.count == 1, "\(text)")
  }

  @Test func jsonNamesThatAreNotText() throws {
    volume.addFile(FileName([0xff, 0x22]), [9])
    let text = try list(.json).text
    try scratch.shell(
      "python3 -c 'import json,sys; r=json.loads(sys.argv[1]); assert r[\"name-bytes\"]==\"ff22\" and r[\"path-bytes\"]==\"2fff22\" and r[\"size\"]==1, r' '\(text)'"
    )
  }

  @Test(arguments: [
    ("disk.img:2", "disk.img", 2), ("-:1", "-", 1), ("a:b:3", "a:b", 3), ("there:2", "there:2", nil),
    ("disk.img:", "disk.img:", nil), ("disk.img:0", "disk.img:0", nil), ("disk.img:x", "disk.img:x", nil),
    (":2", ":2", nil), ("disk.img:+2", "disk.img:+2", nil),
    ("disk.img:99999999999999999999", "disk.img:99999999999999999999", nil),
  ])
  func volumeNames(text: String, image: String, number: Int?) throws {
    try scratch.shell("touch there:2")
    let name = VolumeName(text.hasPrefix("there") ? scratch.file(text) : text)
    #expect(name.image.hasSuffix(image) && name.part == number.map { .number($0) })
  }

  @Test func devicesInFolders() throws {
    #expect(VolumeName(scratch.path + ":sda2").part == .device("sda2"))
    #expect(VolumeName(scratch.path + ":sda2/").part == nil)
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (-1, "1969-12-31T23:59:59Z"), (951_782_400, "2000-02-29T00:00:00Z"),
      (4_107_542_399, "2100-02-28T23:59:59Z"), (-62_167_219_201, "-0001-12-31T23:59:59Z"),
      (Int64.max, "292277026596-12-04T15:30:07Z"), (Int64.min, "-292277022657-01-27T08:29:52Z"),
    ] as [(Int64, String)])
  func moments(seconds: Int64, text: String) { #expect(Timestamp(seconds: seconds).text == text) }
}
