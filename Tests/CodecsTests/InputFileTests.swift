import BlockIO
import Codecs
import Glibc
import SystemPackage
import Testing
import Threads

@Suite struct InputFileTests {
  static let image = sample(700_001, seed: 5)

  private func contents(_ input: InputFile) throws -> [UInt8] {
    switch input.content {
    case .disk(let disk): try SourceByteStream(disk).readAll()
    case .stream(let stream): try stream.readAll()
    }
  }

  @Test(arguments: ["cat", "gzip", "bzip2", "zstd", "xz", "lz4", "lzip", "xz --format=lzma"], [1, 2])
  func opensFilesSetsAndPipes(_ filter: String, workers: Int) throws {
    let folder = TemporaryFolder()
    try folder.write(Self.image, "in")
    try shell("\(filter) < in > file; split -b 50000 file file.; mkfifo pipe; cat file > pipe & :", in: folder)
    let stored = UInt64(try folder.read("file").count)
    for name in ["file", "file.ab", "pipe"] {
      let input = try InputFile.open(folder.path.appending(name), options: DecodingOptions(workers: workers))
      #expect(input.head == Array(Self.image.prefix(InputFile.headSize)))
      #expect(try contents(input) == Self.image)
      #expect((input.codec == nil) == (filter == "cat"))
      #expect(input.storedSize == (name == "pipe" ? nil : stored))
      #expect(input.parts.isEmpty == (name == "pipe"))
      if input.codec != nil || name == "pipe" { #expect(input.consumed.value == stored) }
      if case .disk = input.content { #expect(filter == "cat" && name != "pipe") }
    }
  }

  @Test(arguments: [0, 1, 10, 65535, 65536, 65537]) func smallFilesAreWhole(_ size: Int) throws {
    let folder = TemporaryFolder()
    let bytes = Array(Self.image.prefix(size))
    try folder.write(bytes, "in")
    try shell("gzip -k in; mkfifo pipe; cat in > pipe & :", in: folder)
    for name in ["in", "in.gz", "pipe"] {
      #expect(try contents(InputFile.open(folder.path.appending(name))) == bytes)
    }
  }

  @Test(arguments: [("89 4c 5a 4f 00 0d 0a 1a 0a 10", "lzop -dc"), ("4c 52 5a 49 00 06 00 00 00 00", "lrzcat")])
  func refusesByNameWhatItCannotDecode(_ bytes: String, command: String) throws {
    let folder = TemporaryFolder()
    try folder.write(bytes.split(separator: " ").compactMap { UInt8($0, radix: 16) } + [0, 0], "file")
    let error = #expect(throws: ImageError.self) { try InputFile.open(folder.path.appending("file")) }
    #expect(error?.kind == .unsupported)
    #expect(error?.description.contains("\(command) \(folder.path)/file |") == true)
  }

  @Test(arguments: ["file", "pipe"]) func compressedTwiceIsAnError(_ name: String) throws {
    let folder = TemporaryFolder()
    try folder.write(Self.image, "in")
    // A writer that nobody reads from would never end, and hold the test run's own output.
    try shell("gzip -c in | zstd -q > file", in: folder)
    if name == "pipe" { try shell("mkfifo pipe; cat file > pipe & :", in: folder) }
    let error = #expect(throws: ImageError.self) { try InputFile.open(folder.path.appending(name)) }
    #expect(error?.description.contains("with gzip and then with zstd") == true, "\(error?.description ?? "")")
    #expect(try contents(InputFile.open(folder.path.appending("file"), decompressing: false)).count > 0)
  }

  @Test func foldersAndMissingFilesAreErrors() {
    #expect(throws: IOError.self) { try InputFile.open("/tmp") }
    #expect(throws: IOError.self) { try InputFile.open("/nonexistent/file.aa") }
  }

  /// A reader that goes away does not wait for a writer that says nothing.
  @Test(arguments: [1, 2]) func aSilentPipeHoldsNobodyUp(workers: Int) throws {
    let folder = TemporaryFolder()
    try folder.write(Self.image + Self.image + Self.image + Self.image, "in")
    let writer = "exec 3> pipe; head -c 1000000 in.gz >&3; exec sleep 60"
    try shell("gzip -1 in; mkfifo pipe; (\(writer)) > /dev/null & echo $! > pid", in: folder)
    let start = ContinuousClock.now
    do {
      let input = try InputFile.open(folder.path.appending("pipe"), options: DecodingOptions(workers: workers))
      #expect(input.head.count == InputFile.headSize)
    }
    #expect(ContinuousClock.now - start < .seconds(30))
    try shell("kill $(cat pid)", in: folder)
  }
}
