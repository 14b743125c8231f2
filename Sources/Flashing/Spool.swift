import BlockIO
import Bytes
import CLinux
import Flow
import Glibc
import Images
import SystemPackage

/// Unpacks what can only be read front to back into a temporary file, for whatever needs random access.
enum Spool {
  /// Decodes `stream` into an unlinked sparse file in TMPDIR or /var/tmp and returns it as a disk.
  static func disk(of stream: any ExtentStream, progress: JobProgress) throws -> FileSource {
    let file = try temporaryFile()
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

  /// A file without a name, which goes away with the program.
  private static func temporaryFile() throws -> OpenFile {
    let folder = unsafe getenv("TMPDIR").map { unsafe FilePath(String(cString: $0)) } ?? FilePath("/var/tmp")
    if let file = try? OpenFile(folder, .readWrite, options: .temporaryFile, permissions: .ownerReadWrite) {
      return file
    }
    let path = folder.appending("qflash-\(getpid())-\(UInt64.random(in: 0 ... .max).hex)")
    let file = try OpenFile(path, .readWrite, options: [.create, .exclusiveCreate], permissions: .ownerReadWrite)
    _ = unsafe path.withPlatformString { unsafe unlink($0) }
    return file
  }
}
