package import BlockIO
import ArgumentParser
package import Browsing
import CLinux
package import Filesystems
import Flashing
import Images
import SystemPackage
import Terminal

/// An image that is looked into, from its name on a command line.
package struct BrowsedImage {
  /// The image's name, without a partition.
  package let name: String
  /// The whole disk.
  package let disk: any BlockSource
  /// The partition that was named.
  package let number: Int?
  /// Size in bytes of the sectors of the device that the image is.
  package let sectorSizeHint: Int?

  /// Opens the image called `text`; one that can only be read front to back is unpacked first, with progress.
  package init(_ text: String, _ source: SourceOptions, _ options: BrowseOptions, tool: String) throws {
    let volume = VolumeName(text)
    // A folder's partitions are images of their own.
    let isFolder = (try? FileStatus.of(FilePath(volume.image)))?.kind == .directory
    var image = volume.image
    switch volume.part {
    case .number(let number)?:
      if let other = options.partition, other != number {
        throw RequestError("\(text) names partition \(number), and -partition \(other)")
      }
      self.number = isFolder ? nil : number
      if isFolder { image = text }
    case .device?:
      image = text
      number = options.partition
    case nil:
      if isFolder, let number = options.partition { image = "\(text):\(number)" }
      number = isFolder ? nil : options.partition
    }
    let progress = JobProgress()
    let display = ProgressDisplay(options.progress) { progress.sample }
    defer { display.stop() }
    let say = { (note: String) in printError("\(tool): \(note)") }
    var opened = try OpenedSource(source.request(for: image), progress: progress, say: say)
    for note in opened.notes + opened.image.warnings { say(note) }
    disk = try opened.browse(progress: progress, say: say)
    if isFolder, image == volume.image {
      _ = try VolumeChoice(on: disk, named: opened.name, number: nil, sectorSizeHint: opened.sectorSize)
      throw RequestError("\(text) is a whole folder; name the partition to look into, as \(text):1")
    }
    name = opened.name
    sectorSizeHint = opened.sectorSize
  }

  /// The volume that was named, or the only one, opened; its warnings are said.
  package func volume(tool: String) throws -> (filesystem: any Filesystem, choice: VolumeChoice) {
    let choice = try VolumeChoice(on: disk, named: name, number: number, sectorSizeHint: sectorSizeHint)
    let filesystem = try choice.open()
    for warning in filesystem.warnings { printError("\(tool): \(choice.name): \(warning)") }
    return (filesystem, choice)
  }
}

/// Runs a command that looks inside an image; `state` says what became of the target.
///
/// Ctrl-C stops it, a reader that has gone away ends it silently, and errors of reading the image are told from others.
package func browse(tool: String, state: @escaping @Sendable () -> String, _ body: () throws -> Void) throws {
  let watch = InterruptWatch(state: state)
  defer { watch.stop() }
  do { try body() } catch {
    if InterruptWatch.isInterrupted || error is Stopped {
      printError("\(tool): stopped: \(state())")
      throw ExitCode(ExitStatus.interrupted.rawValue)
    }
    if let error = error as? DestinationError, error.isBrokenPipe { throw ExitCode(141) }
    if let error = error as? IOError { throw SourceUnreadable(error) }
    throw error
  }
}

/// Whether Ctrl-C was pressed.
package func isInterrupted() -> Bool { InterruptWatch.isInterrupted }

/// Says what failed below a command and ends with the status of the first failure; does nothing if nothing has.
package func finish(_ report: ExtractionReport, tool: String) throws {
  for note in report.notes { printError("\(tool): \(note)") }
  for failure in report.failures {
    let says = failure.error is FileError || failure.error is DestinationError
    printError("\(tool): " + (says ? "\(failure.error)" : "\(failure.path): \(failure.error)"))
  }
  if report.unlistedFailures > 0 { printError("\(tool): and \(report.unlistedFailures) more") }
  guard let first = report.failures.first?.error else { return }
  let status = ExitStatus(for: (first as? IOError).map { SourceUnreadable($0) } ?? first)
  throw ExitCode(status.rawValue)
}
