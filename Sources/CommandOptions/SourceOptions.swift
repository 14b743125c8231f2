package import ArgumentParser
package import Flashing
import Images
import SystemPackage

/// How an image is read; shared by all commands that read one.
package struct SourceOptions: ParsableArguments {
  @Option(
    name: .either("format"),
    help: ArgumentHelp(
      "Take the image as qcow2, partclone, ntfsclone, partimage or raw, and do not look.", valueName: "name"))
  package var format: String?
  @Option(
    name: .either("backing"),
    help: ArgumentHelp("Read this as the image's backing file, whatever name is in it.", valueName: "file"))
  package var backing: String?
  @Option(
    name: .either("backing-format"),
    help: ArgumentHelp("The backing file's format, where the image does not say it.", valueName: "name"))
  package var backingFormat: String?
  @Flag(
    name: .either("allow-backing-outside"),
    help: "Open files that the image names outside its own folder.")
  package var allowBackingOutside = false
  @Option(
    name: .either("snapshot"),
    help: ArgumentHelp("Read the internal snapshot of this ID or name.", valueName: "id|name"))
  package var snapshot: String?
  @Flag(name: .either("force-share"), help: "Read although a virtual machine has the image open for writing.")
  package var forceShare = false
  @Flag(name: .either("force-corrupt"), help: "Read although the image is marked corrupt.")
  package var forceCorrupt = false

  package init() {}

  /// The request for the image called `name`.
  package func request(for name: String) -> SourceRequest {
    var request = SourceRequest(name)
    request.format = format
    request.options.backing = backing.map { FilePath($0) }
    request.options.backingFormat = backingFormat
    request.options.allowsBackingOutside = allowBackingOutside
    request.options.snapshot = snapshot
    request.options.forcesShare = forceShare
    request.options.forcesCorrupt = forceCorrupt
    return request
  }
}
