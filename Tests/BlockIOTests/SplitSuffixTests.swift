import BlockIO
import Support
import Testing

/// The names of pieces, against GNU split's own.
@Suite struct SplitSuffixTests {
  @Test(arguments: [
    ("", SplitSuffix(.letters, length: nil), 18_000), ("-a 3", SplitSuffix(.letters, length: 3), 1000),
    ("-d", SplitSuffix(.digits, length: nil), 1500), ("-d -a 4", SplitSuffix(.digits, length: 4), 300),
  ])
  func namesLikeSplit(_ options: String, _ suffixes: SplitSuffix, _ count: Int) throws {
    let scratch = try Scratch()
    let ran = try scratch.shell(
      "head -c \(count) /dev/zero | split \(options) -b 1 --verbose - x | sed \"s/.*'x//;s/'//\"")
    let names = ran.output.split(separator: "\n").map { String($0) }
    try #require(names.count == count)
    for (index, name) in names.enumerated() {
      let (said, back) = (suffixes.suffix(index), suffixes.index(of: name))
      try #require(said == name && back == index, "piece \(index)")
    }
  }
}
