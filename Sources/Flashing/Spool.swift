import BlockIO
import CLinux
import Flow
import Images
import SystemPackage

/// Unpacks what can only be read front to back into a temporary file, for whatever needs random access.
enum Spool {
  /// Decodes `stream` into an unlinked sparse file in TMPDIR or /var/tmp and returns it as a disk.
  static func disk(of stream: any ExtentStream, progress: JobProgress) throws -> FileSource {
    let file = try OpenFile.temporary()
    let reading = try OpenFile(FilePath("/proc/self/fd/\(file.descriptor)"), .readOnly)
    let target = try FileTarget(emptying: file, byteCount: nil, direct: false)
    var options = CopyOptions(workers: 2)
    options.isInterrupted = { clinux_interrupt_count() > 0 }
    progress.enter(.unpacking, total: stream.byteCount ?? 0)
    let size = try copy(stream, to: target, options: options, progress: progress.unpacking)
    try target.finish(byteCount: size)
    progress.enter(.preparing, total: 0)
    return try FileSource(reading)
  }
}
