import Support
import Testing

/// What the command line accepts, and how it says what it does not.
@Suite(.timeLimit(.minutes(5))) struct CommandLineTests {
  static let cases: [(words: String, status: Int32, says: String)] = [
    ("-src a -src b -dst x", 64, "more than once"),
    ("--src a -src b", 64, "more than once"),
    ("inof a", 64, "did you mean 'info'"),
    ("-debug info a", 64, "put the subcommand 'info' first"),
    ("-src a b", 64, "unexpected word 'b'"),
    ("-dst x", 64, "src"),
    ("-src a -workers 0", 64, "workers"),
    ("-src a -unallocated maybe -dst x", 64, "maybe"),
    ("-src no-such-file -dst x", 66, "No such file"),
    ("-src no-such-file", 66, "No such file"),
    ("-src /dev/null -dst x", 66, "neither a file"),
    ("-src /tmp -dst x", 66, "directory"),
    ("--help", 0, "-dst"),
    ("help", 0, "-src"),
    ("-h", 0, "info"),
    ("--version", 0, "0."),
  ]

  @Test(arguments: cases.indices) func says(index: Int) throws {
    let one = Self.cases[index]
    let scratch = try Scratch()
    let ran = try qflash(one.words, in: scratch.path)
    #expect(ran.status == one.status, "\(one.words): \(ran.text)")
    #expect(ran.text.contains(one.says), "\(one.words): \(ran.text)")
    #expect(try scratch.shell("ls").output.isEmpty)
  }

  @Test func everyWayToNameAnImage() throws {
    let scratch = try Scratch()
    try scratch.shell("head -c 1M /dev/zero > a")
    for words in ["-src a", "--src a", "-src=a", "--src=a", "info a", "flash -src a", "-debug -src a", "info -debug a"]
    {
      let ran = try qflash(words, in: scratch.path, expecting: 0)
      #expect(ran.output.contains("raw") && ran.output.contains("1 MiB"), "\(words): \(ran.text)")
    }
  }
}
