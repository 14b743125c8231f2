import BlockIO
import Bytes
import Support
import Testing

@testable import Patching

/// Reads and writes of any range over sectors, and changes that go past memory.
@Suite struct StoreTests {
  /// A disk that takes whole sectors only, but for one that its end cuts short.
  private final class StrictDisk: BlockTarget {
    let disk: MemoryDisk
    let sectorSize: Int
    init(_ bytes: [UInt8], sectorSize: Int) {
      disk = MemoryDisk(bytes)
      self.sectorSize = sectorSize
    }
    var byteCount: UInt64 { disk.byteCount }
    private func check(_ offset: UInt64, _ count: UInt64) {
      precondition(offset % UInt64(sectorSize) == 0 && count > 0)
      precondition(count % UInt64(sectorSize) == 0 || offset + count == byteCount)
    }
    func write(_ bytes: RawSpan, at offset: UInt64) {
      check(offset, UInt64(bytes.byteCount))
      bytes.withUnsafeBytes { precondition(UInt(bitPattern: $0.baseAddress) % 4096 == 0) }
      disk.write(bytes, at: offset)
    }
    func writeZeroes(at offset: UInt64, count: UInt64) {
      check(offset, count)
      disk.writeZeroes(at: offset, count: count)
    }
    func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) {
      check(offset, UInt64(buffer.byteCount))
      disk.read(at: offset, into: &buffer)
    }
    func flush() {}
  }

  @Test(arguments: [(512, 64 << 10), (4096, 64 << 10), (512, 50_001), (4096, (3 << 20) + 7)])
  func anyRange(_ sector: Int, _ size: Int) throws {
    var random = SeededRandom(seed: 8)
    var model = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
    let target = StrictDisk(model, sectorSize: sector)
    let store = SectorStore(target)
    for _ in 0..<300 {
      let offset = Int.random(in: 0..<size, using: &random)
      let most = Bool.random(using: &random) ? 3 * sector : size
      let count = Int.random(in: 0...min(most, size - offset), using: &random)
      switch Int.random(in: 0..<3, using: &random) {
      case 0:
        var buffer = Buffer(zeroes: count)
        var span = buffer.mutablePrefix(count)
        try store.read(at: UInt64(offset), into: &span)
        #expect(buffer.prefix(count).array == Array(model[offset..<(offset + count)]))
      case 1:
        let bytes = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: count)
        try store.write(bytes.span.bytes, at: UInt64(offset))
        model.replaceSubrange(offset..<(offset + count), with: bytes)
      default:
        try store.writeZeroes(at: UInt64(offset), count: UInt64(count))
        model.replaceSubrange(offset..<(offset + count), with: [UInt8](repeating: 0, count: count))
      }
    }
    #expect(target.disk.contents == model)
    let two: [UInt8] = [1, 2]
    #expect(throws: IOError.self) { try store.write(two.span.bytes, at: UInt64(size - 1)) }
  }

  @Test func changesPastMemory() throws {
    let size = 1 << 20
    let base = MemoryDisk([UInt8](repeating: 7, count: size))
    let store = ScratchStore(over: base, limit: 16 << 10)
    var model = [UInt8](repeating: 7, count: size)
    var random = SeededRandom(seed: 3)
    for _ in 0..<400 {
      let offset = Int.random(in: 0..<size, using: &random)
      let count = Int.random(in: 0...min(10_000, size - offset), using: &random)
      let bytes = [UInt8](repeating: UInt8.random(in: 0...255, using: &random), count: count)
      try store.write(bytes.span.bytes, at: UInt64(offset))
      model.replaceSubrange(offset..<(offset + count), with: bytes)
    }
    var buffer = Buffer(zeroes: size)
    var span = buffer.mutablePrefix(size)
    try store.read(at: 0, into: &span)
    #expect(buffer.prefix(size).array == model)
    #expect(store.held.memory == 16 << 10 && store.held.file > 500_000)
    #expect(base.contents == [UInt8](repeating: 7, count: size))
  }
}
