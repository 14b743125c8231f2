import BlockIO
import Filesystems
import Support
import Testing

@testable import FAT

/// Much of everything.
@Suite struct FATLargeTests {
  @Test func aFileOf300MiBOnAFragmentedVolume() throws {
    let fill = """
      mkdir part; for i in {1000..1400}; do head -c 9000 /dev/zero >part/f$i.bin; done
      mmd -i disk ::part; mcopy -i disk -m part/* ::part; mdel -i disk '::part/*[02468].bin'
      """
    let writing = try FATWriting("-F 32 -s 4", size: "304M", script: FATWriting.kept + fill)
    let contents = PatternContents(byteCount: 300 << 20)
    try writing.change { volume in
      let file = try volume.make("large", [1])
      try volume.transaction { try volume.replaceContents(of: file, with: contents) }
      let runs = try volume.runs(from: volume.reader.entry(of: file).firstCluster)
      #expect(runs.count > 20)
    }
    try writing.check()
    let shown = try writing.scratch.shell(FATCase.environment + "mtype -i disk ::large | sha256sum").output
    let expected = try contents.sum()
    #expect(shown.hasPrefix(expected))
    _ = try writing.scratch.shell("rm -rf out; mkdir out; mcopy -i disk -s ::kept out")
    try writing.checkKept()
  }

  @Test func twentyThousandFilesInOneDirectory() throws {
    let writing = try FATWriting("-F 32 -s 8", size: "300M")
    try writing.change { volume in
      let directory = try volume.makeDirectory("many")
      for part in 0..<20 {
        try volume.transaction {
          for number in (part * 1000)..<((part + 1) * 1000) {
            let name = FileName("the file \(number)")
            #expect(try volume.lookup(name, in: directory) == nil)
            let file = try volume.create(name, in: directory, attributes: newAttributes())
            try volume.replaceContents(of: file, with: BytesContents(Array("\(number)".utf8)))
          }
        }
      }
    }
    try writing.check()
    let shown = try writing.scratch.shell(
      FATCase.environment
        + "mdir -i disk -b ::many | wc -l; mtype -i disk '::many/the file 12345'; mtype -i disk '::many/the file 19999'"
    )
    #expect(shown.output.split(whereSeparator: \.isWhitespace) == ["20000", "1234519999"])
  }
}
