import BlockIO
import Bytes
import Support
import SystemPackage
import Testing

struct FileTargetTests {
  /// Long writes go past the page cache and short ones through it, side by side in one file: none may hide another.
  @Test(arguments: [true, false])
  func shortAndLongWritesByTurns(direct: Bool) throws {
    let folder = try Scratch(in: "/var/tmp")
    let byteCount = 40 << 20
    let path = FilePath(folder.file("target"))
    let file = try OpenFile(path, .readWrite, options: [.create], permissions: .ownerReadWrite)
    let target = FileTarget(file, byteCount: UInt64(byteCount), direct: direct)
    try target.empty()
    var expected = [UInt8](repeating: 0, count: byteCount)
    var random = SeededRandom(seed: 11)
    var written = 0
    while written < 64 << 20 {
      let length = ([1, 4096, 12_288, 200_704, 262_144, 1 << 20].randomElement(using: &random) ?? 1)
      var offset = Int.random(in: 0...(byteCount - length), using: &random)
      if length % 4096 == 0 { offset -= offset % 4096 }
      let value = UInt8.random(in: 1...255, using: &random)
      var bytes = Buffer(count: length)
      bytes.fill(0, length) { part in
        for index in 0..<length { part.storeBytes(of: value, toByteOffset: index, as: UInt8.self) }
      }
      try target.write(bytes.prefix(length), at: UInt64(offset))
      for index in offset..<(offset + length) { expected[index] = value }
      written += length
    }
    try target.flush()
    var found = Buffer(count: byteCount)
    var span = found.mutablePrefix(byteCount)
    try target.readBack(at: 0, into: &span)
    let isSame = found.prefix(byteCount).array == expected
    #expect(isSame)
    #expect(try FileStatus.of(path).size == UInt64(byteCount))
  }
}
