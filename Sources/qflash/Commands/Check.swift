import ArgumentParser
import Browsing
import Bytes
import CommandOptions
import Flashing

/// Checks the partition table and the filesystems of an image or a disk, quickly.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Check an image's partition table and filesystems, quickly.",
    discussion: """
      Looks at the table, the superblocks and their copies, sizes, checksums of the space maps' descriptors and the root \
      directories; says what it did not look at. Exits with 65 if something is damaged. Nothing is changed.
      """)

  @Argument(help: ArgumentHelp("The image or device, perhaps with a partition's number.", valueName: "img[:n]"))
  var image: String
  @Flag(name: .either("json"), help: "Print the result as JSON.")
  var json = false
  @OptionGroup var browsing: BrowseOptions
  @OptionGroup(title: "The image") var source: SourceOptions

  func run() throws {
    try browse(tool: "qflash", state: { "nothing was changed" }) {
      let opened = try BrowsedImage(image, source, browsing, tool: "qflash")
      let check = try DiskCheck(opened.disk, only: opened.number, sectorSizeHint: opened.sectorSizeHint)
      let output = try OutputPipe.standardOutput()
      for line in json ? [check.record.json] : check.sentences { try output.write(line: line) }
      try output.flush()
      if !check.isSound { throw ExitCode(ExitStatus.image.rawValue) }
    }
  }
}
