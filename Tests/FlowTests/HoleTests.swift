import BlockIO
import Flow
import Support
import Synchronization
import Testing
import Threads

/// A file in memory of which zeroes are holes, and which may lose what is written to a range.
private final class HoleyTarget: BlockTarget {
  private let disk: MemoryDisk
  private let lost: Range<UInt64>
  let bytesRead = Atomic<Int>(0)

  init(byteCount: Int, losing lost: Range<UInt64> = 0..<0) {
    disk = MemoryDisk([UInt8](repeating: 0, count: byteCount))
    self.lost = lost
  }

  var byteCount: UInt64 { disk.byteCount }
  var sectorSize: Int { 1 }
  var isKnownZero: Bool { true }
  func write(_ bytes: RawSpan, at offset: UInt64) throws {
    if !lost.overlaps(offset..<(offset + UInt64(bytes.byteCount))) { disk.write(bytes, at: offset) }
  }
  func writeZeroes(at offset: UInt64, count: UInt64) throws { disk.writeZeroes(at: offset, count: count) }
  func readBack(at offset: UInt64, into buffer: inout MutableRawSpan) throws {
    bytesRead.add(buffer.byteCount, ordering: .relaxed)
    disk.readBack(at: offset, into: &buffer)
  }
  func nextStored(at offset: UInt64, limit: UInt64) -> UInt64 {
    disk.bytes.update { bytes in
      UInt64(bytes[Int(offset)..<Int(limit)].firstIndex { $0 != 0 } ?? Int(limit)) / 4096 * 4096
    }.clamped(from: offset, to: limit)
  }
  func flush() throws {}
}

extension UInt64 {
  fileprivate func clamped(from lower: UInt64, to upper: UInt64) -> UInt64 { Swift.min(Swift.max(self, lower), upper) }
}

@Suite(.timeLimit(.minutes(5))) struct HoleTests {
  /// Two MiB of data in a disk of 24 MiB, the rest of which is zero.
  private func verified(_ target: HoleyTarget) throws -> (bad: [BadRange], verified: UInt64) {
    let size = 24 << 20
    var bytes = [UInt8](repeating: 0, count: size)
    for start in [0, 20 << 20] {
      for index in start..<(start + (1 << 20)) { bytes[index] = UInt8(truncatingIfNeeded: index / 5 &+ 1) | 1 }
    }
    let map = [
      Extent(.zero, offset: 1 << 20, length: 19 << 20), Extent(.unallocated, offset: 21 << 20, length: 3 << 20),
    ]
    let source = MemoryDisk(bytes, map: map)
    let digests = try Digests(byteCount: UInt64(size))
    let progress = Progress()
    try copy(source, to: target, digests: digests, progress: progress)
    let bad = try verify(target, against: digests, map: source, source: source, progress: progress)
    return (bad, progress.verified.load(ordering: .relaxed))
  }

  @Test func holesAreVerifiedWithoutReadingThem() throws {
    let target = HoleyTarget(byteCount: 24 << 20)
    let result = try verified(target)
    #expect(result.bad.isEmpty)
    #expect(result.verified == 24 << 20)
    #expect(target.bytesRead.load(ordering: .relaxed) <= 3 << 20)
  }

  /// What should be data and is a hole is found, wherever the hole begins.
  @Test(arguments: [0, 20 << 20] as [UInt64]) func aHoleInPlaceOfDataIsFound(start: UInt64) throws {
    let result = try verified(HoleyTarget(byteCount: 24 << 20, losing: start..<(start + 1)))
    #expect(result.bad.count == 1)
    #expect(result.bad.first?.firstDifference == start)
  }
}
