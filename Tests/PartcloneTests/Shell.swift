import Glibc
import Support
import Testing

/// Runs a Bash script and returns what it printed; a status other than 0 fails the test.
@discardableResult
func shell(_ script: String) throws -> String { try Support.shell(script, expecting: 0).text }

/// A new folder in memory (partclone syncs what it writes) that goes away with its owner.
func memoryFolder() throws -> Scratch { try Scratch(in: "/dev/shm") }

/// All bytes of a file.
func contents(_ path: String) throws -> [UInt8] {
  let file = open(path, O_RDONLY | O_CLOEXEC)
  try #require(file >= 0, "cannot open \(path)")
  defer { close(file) }
  let size = Int(lseek(file, 0, SEEK_END))
  let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
    while count < size {
      let got = pread(file, buffer.baseAddress.map { $0 + count }, size - count, off_t(count))
      if got <= 0 { break }
      count += got
    }
  }
  try #require(bytes.count == size)
  return bytes
}
