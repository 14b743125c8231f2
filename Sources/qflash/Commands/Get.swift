import ArgumentParser
import BlockIO
import Browsing
import Bytes
import CommandOptions
import Filesystems
import Flashing
import Glibc
import SystemPackage
import Terminal

/// Copies files and trees out of an image.
struct Get: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Copy files and trees out of an image.",
    usage: """
      qflash get [options] <img[:n]> <path> … <destination>
      qflash get [options] <img[:n]> <path> -        one file to standard output
      qflash get --tar [options] <img[:n]> [<path> …]  a tar archive to standard output
      """,
    discussion: """
      Trees come with modes, times, extended attributes and ACLs, holes and hard links; owners and set-ID bits too where \
      root runs this. Symbolic links are copied and never followed, at the destination neither.
      """)

  @Argument(help: ArgumentHelp("The image, perhaps with a partition's number.", valueName: "img[:n]"))
  var image: String
  @Argument(help: ArgumentHelp("Paths in the image, and where they go.", valueName: "path"))
  var paths: [String] = []
  @Flag(name: .either("tar"), help: "Write a tar archive to standard output; names are those from the volume's root.")
  var tar = false
  @Flag(
    name: .either("owner"), inversion: .prefixedNo,
    help: "Set owners, groups and set-ID bits. (default: if root runs this)")
  var owner: Bool?
  @Flag(name: .either("devices"), help: "Make character and block devices too.")
  var devices = false
  @OptionGroup var browsing: BrowseOptions
  @OptionGroup(title: "The image") var source: SourceOptions

  func validate() throws {
    if !tar, paths.count < 2 { throw ValidationError("name what to copy, and where to") }
    if !tar, paths.last == "-", paths.count > 2 { throw ValidationError("standard output takes one file, or -tar") }
    if tar, owner != nil || devices { throw ValidationError("-owner and -devices are for tar's own extraction") }
  }

  func run() throws {
    if tar, isatty(STDOUT_FILENO) != 0 {
      throw RequestError("standard output is a terminal: send the archive to a file or another program")
    }
    let sources = tar ? (paths.last == "-" ? paths.dropLast() : paths[...]) : paths.dropLast()
    let destination = tar ? "-" : paths.last ?? "-"
    let isToOutput = destination == "-"
    let state = isToOutput ? "what went to standard output is incomplete" : "\(destination) is incomplete"
    try browse(tool: "qflash", state: { state }) {
      let (filesystem, _) = try BrowsedImage(image, source, browsing, tool: "qflash").volume(tool: "qflash")
      let counter = ByteCounter()
      if isToOutput, !tar { return try writeContents(of: sources.first ?? "", filesystem) }
      let display = ProgressDisplay(browsing.progress) {
        ProgressSample(phase: "copying", done: counter.value, total: 0)
      }
      var report: ExtractionReport
      do {
        defer { display.stop() }
        report =
          tar
          ? try archive(sources, filesystem, counter) : try extract(sources, to: destination, filesystem, counter)
      }
      try finish(report, tool: "qflash")
    }
  }

  private func writeContents(of path: String, _ filesystem: any Filesystem) throws {
    let output = try OutputPipe.standardOutput()
    let reader = ContentsReader(isStopped: isInterrupted)
    try reader.write(try PathArgument(path).find(in: filesystem), of: filesystem, to: output)
    try output.flush()
  }

  private func archive(
    _ sources: ArraySlice<String>, _ filesystem: any Filesystem, _ counter: ByteCounter
  ) throws -> ExtractionReport {
    var missing = ExtractionReport()
    let writer = TarWriter(
      from: filesystem, to: try OutputPipe.standardOutput(), progress: counter, isStopped: isInterrupted)
    for path in sources.isEmpty ? ["/"] : sources {
      do { try writer.add(try PathArgument(path).find(in: filesystem, followsLast: false)) } catch let error
        as FileError
      { missing.fail(path, error) }
    }
    try writer.finish()
    var report = writer.report
    report.add(failuresOf: missing)
    return report
  }

  private func extract(
    _ sources: ArraySlice<String>, to destination: String, _ filesystem: any Filesystem, _ counter: ByteCounter
  ) throws -> ExtractionReport {
    var options = ExtractionOptions(setsOwners: owner ?? (geteuid() == 0))
    options.makesDevices = devices
    var missing = ExtractionReport()
    var places: [PathWalk.Place] = []
    for path in sources {
      do { places.append(try PathArgument(path).find(in: filesystem, followsLast: false)) } catch let error as FileError
      {
        missing.fail(path, error)
      }
    }
    guard !places.isEmpty else { return missing }
    try requireDifferentNames(places, filesystem, destination)
    let isFolder = try places.contains { try filesystem.attributes(of: $0.file).kind == .directory }
    let target = try ExtractionTarget(destination, sourceCount: sources.count, isFolder: isFolder)
    let extraction = try Extraction(
      from: filesystem, to: target.root, options: options, progress: counter, isStopped: isInterrupted)
    if !options.setsOwners, owner == nil {
      printError("qflash: owners are not set, since that takes root")
    }
    for place in places { try extraction.extract(place, as: target.name) }
    var report = extraction.report
    print(
      "\(ExtractionReport.count(report.files, "file")) and \(ExtractionReport.count(report.folders, "folder")), "
        + "\(shortSize(report.byteCount)), to \(destination)")
    report.add(failuresOf: missing)
    if owner == true, let count = report.attributesLeftOut["owner"] {
      report.fail(destination, DestinationRefusal("\(ExtractionReport.count(count, "file")) did not get their owners"))
    }
    return report
  }

  /// Throws where two of the places would get the same name in the destination, so that one would replace the other.
  private func requireDifferentNames(
    _ places: [PathWalk.Place], _ filesystem: any Filesystem, _ destination: String
  ) throws {
    var taken: [FileName: PathWalk.Place] = [:]
    // The root's own entries go beside the others.
    let root = places.first { $0.names.isEmpty }
    for place in places {
      let name = place.names.last ?? FileName("/")
      let inRoot = try root.flatMap { place.names.isEmpty ? nil : try filesystem.lookup(name, in: $0.file) }
      guard let other = taken.updateValue(place, forKey: name) ?? (inRoot == nil ? nil : root) else { continue }
      let both = "\(other.name) and \(place.name) would both become \(destination)/"
      throw RequestError(both + "\(name == FileName("/") ? "" : "\(name)"): copy them to different places")
    }
  }
}
