import BlockIO
import Bytes
import Dispatch
import Images
import Support
import Testing

/// Strips read and kept by several threads at once.
@Suite struct ThreadedReadTests {
  @Test(arguments: ["crc32-k7", "xxh64-k7", "large-strips"]) func manyReaders(_ name: String) throws {
    let test = TestImage(name: name)
    let image = try open(try test.image, as: .file(0))
    guard case .disk(let disk) = image.content else {
      Issue.record("no disk")
      return
    }
    let crc = try #require(try test.said("crc32"))
    DispatchQueue.concurrentPerform(iterations: 8) { reader in
      var whole = [UInt8](repeating: 0, count: Int(disk.byteCount))
      let step = 3000 + reader * 777
      var offset = 0
      while offset < whole.count {
        let count = min(step, whole.count - offset)
        var buffer = Buffer(count: count)
        var span = buffer.mutablePrefix(count)
        guard (try? disk.read(at: UInt64(offset), into: &span)) != nil else { break }
        whole.replaceSubrange(offset..<(offset + count), with: buffer.prefix(count).array)
        offset += count
      }
      let found = CRC32.of(whole.span.bytes)
      #expect(UInt64(found) == crc, "reader \(reader)")
    }
  }
}
