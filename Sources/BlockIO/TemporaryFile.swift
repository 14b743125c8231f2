import Bytes
import Glibc
import SystemPackage

extension OpenFile {
  /// A file without a name in TMPDIR or /var/tmp, which goes away with its owner.
  package static func temporary() throws(IOError) -> OpenFile {
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
